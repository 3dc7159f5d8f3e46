#include "transfer/page_cache.hpp"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <ctime>
#include <limits>

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

// A question costs 0.2 µs whether it is about 4 KiB or this much.
constexpr std::uint64_t window_bytes = 1024 * 1024;
// Where each page must be tried: beyond this a kernel worker costs less.
constexpr std::uint64_t probed_limit_bytes = 64 * 1024;

/// Whether the byte at `at` can be read without waiting.
bool probe(int fd, std::uint64_t at) noexcept {
  std::byte byte{};
  const iovec one{&byte, 1};
  return ::preadv2(fd, &one, 1, static_cast<off_t>(at), RWF_NOWAIT) == 1;
}

bool every_page_is_ready(int fd, std::uint64_t first, std::uint64_t pages,
                         std::uint64_t page_bytes) noexcept {
  for (std::uint64_t page = first; page < first + pages; ++page) {
    if (!probe(fd, page * page_bytes)) return false;
  }
  return true;
}

std::int64_t coarse_now() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

std::size_t hash(const endpoint& of, std::uint64_t window) noexcept {
  return (of.inode * 31 + of.device) * 31 + window;
}

/// Of a block device none is known: a question about what is behind its end says no.
std::uint64_t size_of(const endpoint& file) noexcept {
  return file.size.value_or(std::numeric_limits<std::int64_t>::max());
}

}  // namespace

std::size_t page_cache::ready_bytes(const endpoint& file, std::int64_t from,
                                    std::size_t nbytes) noexcept {
  if (file.in_memory) return nbytes;
  const auto begin = static_cast<std::uint64_t>(from);
  if (!can_tell_ || from < 0 || begin >= size_of(file)) return 0;
  const std::uint64_t end = begin + std::min<std::uint64_t>(nbytes, size_of(file) - begin);
  const std::int64_t now = coarse_now();
  std::uint64_t at = begin;
  while (at < end) {
    const std::uint64_t number = at / window_bytes;
    const std::uint64_t next = std::min(end, (number + 1) * window_bytes);
    if (!window_is_ready(file, number, now)) {
      const std::uint64_t some = std::min(next - at, probed_limit_bytes);
      if (may_ask_ && look(file.fd, at, next - at)) {
        at = next;
        continue;
      }
      if (!may_ask_ && look(file.fd, at, some)) at += some;
      break;
    }
    at = next;
  }
  return static_cast<std::size_t>(at - begin);
}

bool page_cache::window_is_ready(const endpoint& file, std::uint64_t number,
                                 std::int64_t now) noexcept {
  window& kept = seen_[hash(file, number) % seen_.size()];
  if (kept.seen_at == now && kept.is(file, number)) return true;
  const std::uint64_t from = number * window_bytes;
  may_ask_ = true;
  if (!look(file.fd, from, std::min(size_of(file) - from, window_bytes))) return false;
  kept = {file.device, file.inode, number, now};
  return true;
}

bool page_cache::look(int fd, std::uint64_t from, std::uint64_t nbytes) noexcept {
  static const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t last = from + nbytes - 1;
  const std::uint64_t pages = last / page_bytes - from / page_bytes + 1;
  const cachestat_range asked{from, nbytes};
  cachestat seen{};
  if (may_ask_ && ::syscall(__NR_cachestat, fd, &asked, &seen, 0u) < 0) {
    if (errno == ENOSYS) can_tell_ = false;
    // Of a file that is another user's it does not tell.
    may_ask_ = errno != EPERM;
    if (may_ask_) return false;
  }
  if (!may_ask_) {
    return nbytes <= probed_limit_bytes &&
           every_page_is_ready(fd, from / page_bytes, pages, page_bytes);
  }
  // A page that is being read counts as there. Pages arrive in order, so the last one tells; but
  // for one that was there before the others were asked for.
  return seen.nr_cache >= pages && probe(fd, last);
}

}  // namespace zc::detail
