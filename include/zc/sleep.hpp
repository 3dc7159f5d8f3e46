#pragma once

#include <cerrno>
#include <chrono>
#include <coroutine>
#include <system_error>

#include "zc/detail/cancel.hpp"
#include "zc/detail/duration.hpp"
#include "zc/detail/errno_code.hpp"
#include "zc/detail/export.hpp"
#include "zc/detail/promise.hpp"
#include "zc/result.hpp"
#include "zc/task.hpp"

namespace zc {

namespace detail {

class yield_awaiter {
 public:
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> self) noexcept {
    env_ = self.promise().env;
    env_.where->require_here();
    env_.where->post(self.promise());
  }
  void await_resume() const {
    if (!env_.cancel->requested()) return;
    env_.cancel->observe();
    throw std::system_error(errno_code(ECANCELED), "zc::yield");
  }

 private:
  environment env_;
};

}  // namespace detail

/// Suspends for at least `duration` (CLOCK_MONOTONIC); longer by the kernel's timer slack and by
/// what else the loop has to run. Throws std::system_error ECANCELED when cancelled: leave a loop
/// on it, as it says the same each time (see result).
ZC_API task<> sleep_for(std::chrono::nanoseconds duration);

/// The same for any kind of duration.
template <class Rep, class Period>
task<> sleep_for(std::chrono::duration<Rep, Period> duration) {
  return sleep_for(detail::to_nanoseconds(duration));
}

/// The same without an exception: resumes with ECANCELED when cancelled.
ZC_API task<result<void>> try_sleep_for(std::chrono::nanoseconds duration);

template <class Rep, class Period>
task<result<void>> try_sleep_for(std::chrono::duration<Rep, Period> duration) {
  return try_sleep_for(detail::to_nanoseconds(duration));
}

/// Goes round the loop once: other ready coroutines run and completions are taken before it
/// resumes. Throws std::system_error ECANCELED when cancelled.
[[nodiscard]] inline auto yield() noexcept { return detail::yield_awaiter(); }

}  // namespace zc
