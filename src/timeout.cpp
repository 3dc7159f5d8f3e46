#include "zc/timeout.hpp"

#include "timers.hpp"

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
  if (!work.error()) return;
  const std::error_code timed_out(ETIMEDOUT, std::system_category());
  try {
    std::rethrow_exception(work.error());
  } catch (const transfer_error& error) {
    if (error.code() != std::errc::operation_canceled) throw;
    throw error.with_code(timed_out);
  } catch (const std::system_error& error) {
    if (error.code() != std::errc::operation_canceled) throw;
    throw_timed_out();
  }
}

void throw_timed_out() {
  throw std::system_error(ETIMEDOUT, std::system_category(), "zc::timeout");
}

}  // namespace zc::detail
