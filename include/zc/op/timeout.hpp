#pragma once

#include <chrono>
#include <cstdint>

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Resumes when `duration` is over (CLOCK_MONOTONIC), or with ECANCELED.
///
/// IORING_OP_TIMEOUT, Linux 5.4; costs no kernel worker. A negative duration is over at once.
class ZC_API timeout final : public detail::operation_of<void> {
 public:
  explicit timeout(std::chrono::nanoseconds duration) noexcept;

  result<void> await_resume() noexcept {
    if (raw() == -ETIME || raw() >= 0) return {};
    return detail::errno_code(-raw());
  }

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  struct timespec64 {
    std::int64_t seconds;
    long long nanoseconds;
  };
  timespec64 after_;  // laid out as the kernel's __kernel_timespec
};

}  // namespace zc::op
