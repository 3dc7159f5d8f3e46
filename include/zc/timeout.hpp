#pragma once

#include <chrono>
#include <concepts>
#include <utility>
#include <vector>

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

/// Rethrows what `work` threw, if anything; what only says "cancelled" becomes ETIMEDOUT, with a
/// transfer_error's counts and remainder kept.
void rethrow_as_timed_out(const promise_base& work);

[[noreturn]] void throw_timed_out();

/// Says of a value that its work was cut short by a deadline. What has counts that must not be lost
/// has such a function, here or beside it; timeout() drops any other value.
inline void time_out(transfer& what) noexcept {
  if (what.reason == stop_reason::cancelled) what.reason = stop_reason::timed_out;
}
template <std::derived_from<transfer> T>
void time_out(std::vector<T>& all) noexcept {
  for (T& each : all) time_out(each);
}

template <class T>
concept keeps_counts = requires(T& value) { time_out(value); };

template <keeps_counts T>
void mark_timed_out(T& value) noexcept {
  time_out(value);
}

}  // namespace detail

/// Runs `work`; cancels it when `duration` is over, and awaits its end.
///
/// A transfer then resumes with stop_reason::timed_out and its counts, and several of them (a
/// vector, as of when_all()) with those so marked that the deadline cut short. Anything else
/// throws std::system_error ETIMEDOUT (splice() a transfer_error with its counts and remainder).
/// Work that ended by itself before the cancellation touched it keeps its value or exception.
template <class T>
task<T> timeout(std::chrono::nanoseconds duration, task<T> work) {
  const detail::environment env = co_await detail::this_environment{};
  detail::deadline both(work.promise(), env.cancel, duration);
  co_await both;
  if constexpr (detail::keeps_counts<T>) {
    if (both.cut_short() && work.promise().error()) detail::rethrow_as_timed_out(work.promise());
    T done = work.take();
    if (both.expired()) detail::mark_timed_out(done);
    co_return done;
  } else {
    if (!both.cut_short()) co_return work.take();
    detail::rethrow_as_timed_out(work.promise());
    detail::throw_timed_out();
  }
}

/// The same for any kind of duration.
template <class Rep, class Period, class T>
task<T> timeout(std::chrono::duration<Rep, Period> duration, task<T> work) {
  return timeout(detail::to_nanoseconds(duration), std::move(work));
}

}  // namespace zc
