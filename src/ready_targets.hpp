#pragma once

#include <array>
#include <cstddef>

namespace zc::detail {

/// Targets of one batch to which sendfile(2), of what is in memory, does not wait: stream sockets
/// in non-blocking mode, and devices that are nothing but memory.
///
/// Only for descriptors that stay open, and in the mode they are in, as long as this lives. Keeps a
/// bounded number of them.
class ready_targets {
 public:
  ready_targets() noexcept { kept_.fill(none); }

  bool has(int fd) const noexcept { return fd != none && kept_[slot_of(fd)] == fd; }
  void add(int fd) noexcept { kept_[slot_of(fd)] = fd; }

 private:
  static constexpr int none = -1;
  static constexpr std::size_t limit = 64;
  static std::size_t slot_of(int fd) noexcept { return static_cast<unsigned>(fd) % limit; }

  std::array<int, limit> kept_;
};

}  // namespace zc::detail
