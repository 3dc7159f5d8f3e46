#include "engine/uring/worker_limit.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>

namespace zc::detail {

namespace {

/// How often a thread has set another one's limit too.
std::atomic<std::uint32_t> set_for_others{0};

/// What is known of the calling thread.
struct known_limits {
  pid_t thread = 0;  // in a forked child all is unknown again
  std::uint32_t set_for_others = 0;
  worker_limits before;  // zc set any
  worker_limits wanted;  // of the kernel, which may give less
  worker_limits now;
};

/// What the thread had; 0 changes nothing.
worker_limits exchange(io_uring& ring, const worker_limits& wanted) noexcept {
  std::array<unsigned, 2> both{wanted.bounded, wanted.unbounded};
  if (io_uring_register_iowq_max_workers(&ring, both.data()) < 0) return {};
  return {both[0], both[1]};
}

}  // namespace

worker_limits limit_workers(io_uring& ring, std::uint32_t most, pid_t thread,
                            pid_t maker) noexcept {
  thread_local known_limits known;
  const std::uint32_t others = set_for_others.load(std::memory_order_acquire);
  if (known.thread != thread || known.set_for_others != others) {
    const worker_limits found = exchange(ring, {});
    known = {thread, others, known.thread == thread ? known.before : found, found, found};
  }
  // More is EINVAL.
  most = std::min<std::uint32_t>(most, std::numeric_limits<int>::max());
  const worker_limits wanted = most > 0 ? worker_limits{most, most} : known.before;
  if (wanted != known.wanted) {
    exchange(ring, wanted);
    known.wanted = wanted;
    known.now = exchange(ring, {});
    if (maker != thread) set_for_others.fetch_add(1, std::memory_order_release);
  }
  return known.now;
}

}  // namespace zc::detail
