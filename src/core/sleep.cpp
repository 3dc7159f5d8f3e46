#include "zc/sleep.hpp"

#include <exception>
#include <utility>

#include "core/timers.hpp"

namespace zc {

task<> sleep_for(std::chrono::nanoseconds duration) {
  const std::error_code error = co_await detail::timer(duration);
  if (!error) co_return;
  // What sleeps beside something is cancelled more often than not, and nobody looks at how it
  // ended.
  std::exception_ptr thrown = std::make_exception_ptr(std::system_error(error, "zc::sleep_for"));
  co_await detail::end_with(std::move(thrown));
}

task<result<void>> try_sleep_for(std::chrono::nanoseconds duration) {
  const std::error_code error = co_await detail::timer(duration);
  co_return error ? result<void>(error) : result<void>();
}

}  // namespace zc
