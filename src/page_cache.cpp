#include "page_cache.hpp"

#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#ifndef __NR_cachestat
#define __NR_cachestat 451
#endif

namespace zc::detail {

namespace {

// As in <linux/mman.h> of Linux 6.5, which Debian 12 has no header of.
struct cachestat_range {
  std::uint64_t off;
  std::uint64_t len;
};
struct cachestat {
  std::uint64_t nr_cache;
  std::uint64_t nr_dirty;
  std::uint64_t nr_writeback;
  std::uint64_t nr_evicted;
  std::uint64_t nr_recently_evicted;
};

bool is_in_tmpfs(int fd) noexcept {
  struct statfs system {};
  return ::fstatfs(fd, &system) == 0 && system.f_type == TMPFS_MAGIC;
}

}  // namespace

bool page_cache::holds(int fd, std::int64_t from, std::size_t nbytes) noexcept {
  if (!can_tell_ || nbytes == 0) return false;
  static const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = static_cast<std::uint64_t>(from);
  const std::uint64_t pages = (begin + nbytes - 1) / page_bytes - begin / page_bytes + 1;
  const cachestat_range range{begin, nbytes};
  cachestat seen{};
  if (::syscall(__NR_cachestat, fd, &range, &seen, 0u) < 0) {
    if (errno == ENOSYS || errno == EPERM) can_tell_ = false;
    return false;
  }
  if (seen.nr_cache < pages) return false;
  // A page that is being read counts as there. Pages arrive in order, so the last one tells.
  std::byte last{};
  const iovec one{&last, 1};
  const off_t at = from + static_cast<std::int64_t>(nbytes) - 1;
  if (::preadv2(fd, &one, 1, at, RWF_NOWAIT) == 1) return true;
  // There it is not offered, nor needed: what is there has been read.
  return errno == EOPNOTSUPP && is_in_tmpfs(fd);
}

}  // namespace zc::detail
