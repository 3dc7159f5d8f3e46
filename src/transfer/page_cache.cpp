#include "transfer/page_cache.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <ctime>

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

/// 1 where the byte at `at` can be read without waiting.
int probe(int fd, off_t at) noexcept {
  std::byte byte{};
  const iovec one{&byte, 1};
  const ssize_t got = ::preadv2(fd, &one, 1, at, RWF_NOWAIT);
  return got < 0 ? -errno : static_cast<int>(got);
}

// Beyond it a kernel worker costs less than to try page by page.
constexpr std::size_t probed_limit_bytes = 64 * 1024;

bool every_page_is_ready(int fd, std::uint64_t first, std::uint64_t pages,
                         std::uint64_t page_bytes) noexcept {
  for (std::uint64_t page = first; page < first + pages; ++page) {
    if (probe(fd, static_cast<off_t>(page * page_bytes)) != 1) return false;
  }
  return true;
}

std::int64_t coarse_now() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

std::size_t hash(const page_cache::range& of) noexcept {
  const auto from = static_cast<std::uint64_t>(of.from);
  return (of.inode * 31 + of.device) * 31 + (from >> 12) * 7 + of.nbytes;
}

}  // namespace

page_cache::memory* page_cache::find(int fd, const range& all) noexcept {
  if (!can_tell_ || all.nbytes == 0) return nullptr;
  const std::int64_t now = coarse_now();
  shelf& among = seen_[hash(all) % seen_.size()];
  memory* oldest = among.data();
  for (memory& each : among) {
    // Within the clock's tick, which is some milliseconds.
    if (each.at == now && each.seen == all) return &each;
    if (each.at < oldest->at) oldest = &each;
  }
  if (!look(fd, all)) return nullptr;
  *oldest = {all, now};
  return oldest;
}

bool page_cache::gives(int fd, const range& all) noexcept {
  memory* const known = find(fd, all);
  if (known == nullptr) return false;
  if (known->buffered == fd) return true;
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_DIRECT) != 0) return false;
  known->buffered = fd;
  return true;
}

bool page_cache::look(int fd, const range& all) noexcept {
  static const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = static_cast<std::uint64_t>(all.from);
  const std::uint64_t pages = (begin + all.nbytes - 1) / page_bytes - begin / page_bytes + 1;
  const cachestat_range asked{begin, all.nbytes};
  cachestat seen{};
  if (::syscall(__NR_cachestat, fd, &asked, &seen, 0u) < 0) {
    if (errno == ENOSYS) can_tell_ = false;
    // Of a file that is another user's it does not tell.
    return errno == EPERM && all.nbytes <= probed_limit_bytes &&
           every_page_is_ready(fd, begin / page_bytes, pages, page_bytes);
  }
  if (seen.nr_cache < pages) return false;
  // A page that is being read counts as there. Pages arrive in order, so the last one tells; but
  // for one that was there before the others were asked for.
  const int last = probe(fd, all.from + static_cast<std::int64_t>(all.nbytes) - 1);
  // There it is not offered, nor needed: what is there has been read.
  return last == 1 || (last == -EOPNOTSUPP && is_in_tmpfs(fd));
}

}  // namespace zc::detail
