#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "sys/pipe.hpp"

namespace zc::detail {

/// The pipes of one context: at most so many at once, kept for the next transfer when empty.
///
/// The bound is on pipes lent and kept together, and so on descriptors and pipe pages.
class pipe_pool {
 public:
  pipe_pool(std::size_t limit, std::size_t pipe_bytes) : limit_(limit), pipe_bytes_(pipe_bytes) {
    idle_.reserve(limit);
  }

  /// An empty pipe; nothing at the bound, or where the process has no descriptors left.
  std::optional<pipe> take();

  /// Takes a pipe back. One that still holds bytes (or may: pass empty = false) is closed, so that
  /// no transfer ever meets another's.
  void give_back(pipe used, bool empty) noexcept;

  std::size_t lent() const noexcept { return lent_; }
  std::size_t idle() const noexcept { return idle_.size(); }

 private:
  std::size_t limit_;
  std::size_t pipe_bytes_;
  std::size_t lent_ = 0;
  std::vector<pipe> idle_;
};

}  // namespace zc::detail
