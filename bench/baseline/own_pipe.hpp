#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "support/require.hpp"

namespace baseline {

/// A pipe of a given capacity; smaller, where a user without privileges has too many of that size.
class own_pipe {
 public:
  own_pipe() = default;
  explicit own_pipe(int capacity_bytes) {
    bench::require(::pipe2(ends_.data(), O_CLOEXEC), "pipe2");
    const int capacity = ::fcntl(ends_[1], F_SETPIPE_SZ, capacity_bytes);
    if (capacity < 0 && errno != EPERM) bench::require(capacity, "F_SETPIPE_SZ");
  }
  own_pipe(own_pipe&& other) noexcept : ends_(std::exchange(other.ends_, {-1, -1})) {}
  own_pipe& operator=(own_pipe other) noexcept {
    std::swap(ends_, other.ends_);
    return *this;
  }
  ~own_pipe() {
    if (ends_[0] < 0) return;
    ::close(ends_[0]);
    ::close(ends_[1]);
  }

  explicit operator bool() const { return ends_[0] >= 0; }
  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }

 private:
  std::array<int, 2> ends_{-1, -1};
};

}  // namespace baseline
