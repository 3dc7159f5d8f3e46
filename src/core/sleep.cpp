#include "zc/sleep.hpp"

#include "core/timers.hpp"

namespace zc {

task<> sleep_for(std::chrono::nanoseconds duration) {
  const std::error_code error = co_await detail::timer(duration);
  if (error) throw std::system_error(error, "zc::sleep_for");
}

task<result<void>> try_sleep_for(std::chrono::nanoseconds duration) {
  const std::error_code error = co_await detail::timer(duration);
  co_return error ? result<void>(error) : result<void>();
}

}  // namespace zc
