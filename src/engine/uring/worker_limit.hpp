#pragma once

#include <liburing.h>
#include <sys/types.h>

#include <cstdint>

namespace zc::detail {

/// The most kernel workers that one thread has for all its rings: for what the kernel calls bounded
/// work, and unbounded. 0 where it cannot be asked.
struct worker_limits {
  std::uint32_t bounded = 0;
  std::uint32_t unbounded = 0;

  friend bool operator==(const worker_limits&, const worker_limits&) noexcept = default;
};

/// Gives the calling thread, `thread`, at most so many workers of each kind; 0: as many as it had
/// before zc first gave it any limit. No system call where that is what it has already. Returns
/// what it has then, as the kernel says.
///
/// The limit is the thread's (IORING_REGISTER_IOWQ_MAX_WORKERS), but the kernel sets it for every
/// thread that has used `ring`: also for `maker`, the one that made it.
worker_limits limit_workers(io_uring& ring, std::uint32_t most, pid_t thread, pid_t maker) noexcept;

}  // namespace zc::detail
