#pragma once

#include <utility>

#include "zc/detail/cpp20.hpp"
#include "zc/detail/export.hpp"

namespace zc {

/// Owns one file descriptor and closes it exactly once.
///
/// Move-only. A default-constructed or moved-from `fd` owns nothing and is false. Not thread-safe.
class ZC_API fd {
 public:
  fd() noexcept = default;
  explicit fd(int raw) noexcept : raw_(raw) {}
  fd(fd&& other) noexcept : raw_(other.release()) {}
  fd& operator=(fd other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }
  /// Closes the descriptor. Never retries close(2): on Linux it is gone even on EINTR.
  ~fd();

  explicit operator bool() const noexcept { return raw_ >= 0; }

  /// The plain descriptor; still owned here. -1 when there is none.
  int get() const noexcept { return raw_; }

  /// Gives the descriptor up: the caller closes it.
  int release() noexcept { return std::exchange(raw_, -1); }

 private:
  int raw_ = -1;
};

}  // namespace zc
