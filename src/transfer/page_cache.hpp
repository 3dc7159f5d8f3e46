#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace zc::detail {

/// Tells which ranges of files can be read without waiting for their disk.
///
/// Where the kernel has no cachestat(2) (Linux 6.5), it tells of none.
class page_cache {
 public:
  struct range {
    dev_t device;
    ino_t inode;
    std::int64_t from;
    std::size_t nbytes;
    bool operator==(const range&) const = default;
  };

  /// Whether all pages of that range of `fd` are in memory, now or a few milliseconds ago. They may
  /// leave it at any moment: a reader of them then waits, as it would have.
  bool holds(int fd, const range& all) noexcept { return find(fd, all) != nullptr; }

  /// The same, of a descriptor that may be O_DIRECT, through which every read waits: what its flags
  /// were is kept as long, while the next who asks names the same descriptor.
  bool gives(int fd, const range& all) noexcept;

 private:
  // Of the same file many transfers may begin in the time that a look is good for.
  struct memory {
    range seen{};
    std::int64_t at = 0;  // by the coarse clock
    int buffered = -1;    // a descriptor that was not O_DIRECT then
  };
  // Where one stands, and those that it may push out.
  using shelf = std::array<memory, 4>;

  /// What is known of a range that is in memory; null where it is not.
  memory* find(int fd, const range& all) noexcept;
  bool look(int fd, const range& all) noexcept;

  std::array<shelf, 64> seen_{};
  bool can_tell_ = true;
};

}  // namespace zc::detail
