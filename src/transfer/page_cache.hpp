#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "zc/detail/endpoint.hpp"

namespace zc::detail {

/// Tells which bytes of files can be read without waiting for their disk.
///
/// It asks the kernel about whole windows of a file, and remembers those that are in memory for a
/// tick of the coarse clock, some milliseconds: of the same file many transfers may begin in that
/// time. Pages may leave memory at any moment: whoever reads them then waits, as they would have.
/// Where the kernel has no cachestat(2) (Linux 6.5), it tells of no bytes, but of files that are
/// nothing but memory.
class page_cache {
 public:
  /// How many of the `nbytes` of `file` from `from` on are in memory, without a gap: all of them,
  /// or some, or 0.
  std::size_t ready_bytes(const endpoint& file, std::int64_t from, std::size_t nbytes) noexcept;

 private:
  struct window {
    dev_t device = 0;
    ino_t inode = 0;
    std::uint64_t number = 0;
    std::int64_t seen_at = 0;  // by the coarse clock

    bool is(const endpoint& file, std::uint64_t which) const noexcept {
      return device == file.device && inode == file.inode && number == which;
    }
  };

  bool window_is_ready(const endpoint& file, std::uint64_t number, std::int64_t now) noexcept;
  bool look(int fd, std::uint64_t from, std::uint64_t nbytes) noexcept;

  std::array<window, 256> seen_{};
  bool can_tell_ = true;
  bool may_ask_ = true;  // of the last file that was asked about: see look()
};

}  // namespace zc::detail
