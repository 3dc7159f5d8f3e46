#include "zc/op/timeout.hpp"

#include <liburing.h>

#include <algorithm>

namespace zc::op {

void timeout::prepare(io_uring_sqe& sqe) noexcept {
  static_assert(sizeof(timespec64) == sizeof(__kernel_timespec));
  io_uring_prep_timeout(&sqe, reinterpret_cast<__kernel_timespec*>(&after_), 0, 0);
}

timeout::timeout(std::chrono::nanoseconds duration) noexcept {
  const auto whole = std::max(duration, std::chrono::nanoseconds::zero());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(whole);
  after_ = {seconds.count(), (whole - seconds).count()};
}

}  // namespace zc::op
