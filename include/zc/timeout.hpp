#pragma once

#include <chrono>
#include <system_error>
#include <type_traits>
#include <utility>

#include "zc/detail/cancel.hpp"
#include "zc/detail/duration.hpp"
#include "zc/detail/join.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace zc {

namespace detail {

/// A task and its deadline: whichever ends first cancels the other.
class deadline final : public join {
 public:
  deadline(promise_base& work, cancel_scope* parent, std::chrono::nanoseconds after);

  bool expired() const noexcept { return expired_; }
  /// Whether the work has ended because of the deadline, rather than beside it.
  bool cut_short() const noexcept { return expired_ && work_scope_.observed(); }

 private:
  void start_children() override;
  void one_done(promise_base& child) noexcept override;

  promise_base& work_;
  bool expired_ = false;
  task<> alarm_;
  cancel_scope work_scope_;
  cancel_scope alarm_scope_;
};

/// Rethrows the exception in flight; one that only says "cancelled" becomes ETIMEDOUT, with a
/// transfer_error's counts and remainder kept.
[[noreturn]] void rethrow_as_timed_out();

[[noreturn]] void throw_timed_out();

}  // namespace detail

/// Runs `work`; cancels it when `duration` is over, and awaits its end.
///
/// A transfer then resumes with stop_reason::timed_out and its counts; anything else throws
/// std::system_error ETIMEDOUT (splice() a transfer_error with its counts and remainder). Work that
/// ended by itself before the cancellation touched it keeps its value or exception.
template <class T>
task<T> timeout(std::chrono::nanoseconds duration, task<T> work) {
  const detail::environment env = co_await detail::this_environment{};
  detail::deadline both(work.promise(), env.cancel, duration);
  co_await both;
  if constexpr (std::is_same_v<T, transfer>) {
    transfer done = work.take();
    if (both.expired() && done.reason == stop_reason::cancelled) {
      done.reason = stop_reason::timed_out;
    }
    co_return done;
  } else {
    if (!both.cut_short()) co_return work.take();
    try {
      static_cast<void>(work.take());
    } catch (...) {
      detail::rethrow_as_timed_out();
    }
    detail::throw_timed_out();
  }
}

/// The same for any kind of duration.
template <class Rep, class Period, class T>
task<T> timeout(std::chrono::duration<Rep, Period> duration, task<T> work) {
  return timeout(detail::to_nanoseconds(duration), std::move(work));
}

}  // namespace zc
