#include "zc/timeout.hpp"

#include <exception>
#include <system_error>

#include "core/timers.hpp"
#include "zc/detail/timed_out.hpp"

namespace zc::detail {

namespace {

task<> alarm_after(std::chrono::nanoseconds duration, bool& expired) {
  const std::error_code error = co_await timer(duration);
  expired = !error;
}

}  // namespace

deadline::deadline(promise_base& work, cancel_scope* parent, std::chrono::nanoseconds after)
    : work_(work), alarm_(alarm_after(after, expired_)) {
  work_scope_.go_below(parent);
  alarm_scope_.mute();
  alarm_scope_.go_below(parent);
}

void deadline::start_children() {
  start(alarm_.promise(), &alarm_scope_);
  start(work_, &work_scope_);
}

void deadline::one_done(promise_base& child) noexcept {
  if (&child == &work_) {
    alarm_scope_.request();
  } else if (expired_) {
    work_scope_.request();
  }
}

void rethrow_as_timed_out(const promise_base& work) {
  std::rethrow_exception(timed_out(work.error()));
}

void throw_timed_out() {
  throw std::system_error(ETIMEDOUT, std::system_category(), "zc::timeout");
}

}  // namespace zc::detail
