#pragma once

#include <cstddef>
#include <cstdint>

namespace zc::detail {

/// Tells which ranges of files can be read without waiting for their disk.
///
/// Where the kernel has no cachestat(2) (Linux 6.5), it tells of none.
class page_cache {
 public:
  /// Whether all pages of `nbytes` bytes from `from` are in memory now. They may leave it at any
  /// moment: a reader of them then waits, as it would have.
  bool holds(int fd, std::int64_t from, std::size_t nbytes) noexcept;

 private:
  bool can_tell_ = true;
};

}  // namespace zc::detail
