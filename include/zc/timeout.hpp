#pragma once

#include <chrono>
#include <type_traits>
#include <utility>

#include "zc/detail/awaitable.hpp"
#include "zc/detail/cancel.hpp"
#include "zc/detail/duration.hpp"
#include "zc/detail/export.hpp"
#include "zc/detail/join.hpp"
#include "zc/mark_timed_out.hpp"
#include "zc/task.hpp"

namespace zc {

namespace detail {

/// A task and its deadline: whichever ends first cancels the other.
class ZC_API deadline final : public join {
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

/// Throws what `work` threw, with "timed out" in the place of "cancelled".
[[noreturn]] ZC_API void rethrow_as_timed_out(const promise_base& work);

[[noreturn]] ZC_API void throw_timed_out();

template <class T>
task<T> timeout(std::chrono::nanoseconds duration, task<T> work) {
  const environment env = co_await this_environment{};
  deadline both(work.promise(), env.cancel, duration);
  co_await both;
  if (both.cut_short() && work.promise().error()) rethrow_as_timed_out(work.promise());
  if constexpr (std::is_void_v<T>) {
    work.take();
    if (both.cut_short()) throw_timed_out();
  } else {
    T done = work.take();
    if (both.expired()) mark_timed_out(done);
    co_return done;
  }
}

}  // namespace detail

/// Runs `work`, a task or whatever else can be awaited (an op, say); cancels it when `duration` is
/// over, and awaits its end.
///
/// What `work` returned is given back in any case, also when it was cut short: a transfer with
/// stop_reason::timed_out and its counts, a result with ETIMEDOUT, and so however deep they are in
/// the value (see mark_timed_out()); anything else as it is. Where there is no value it throws:
/// what `work` threw, and a std::system_error ECANCELED as ETIMEDOUT, with the same text
/// (splice()'s transfer_error with its counts and remainder). Work without a value that was cut
/// short, and did not throw, has timed out all the same: std::system_error ETIMEDOUT.
///
/// Work that ended by itself before the cancellation touched it keeps its value or exception.
template <class Rep, class Period, detail::awaitable Work>
task<detail::awaited_t<Work>> timeout(std::chrono::duration<Rep, Period> duration, Work&& work) {
  return detail::timeout(detail::to_nanoseconds(duration),
                         detail::to_task(std::forward<Work>(work)));
}

}  // namespace zc
