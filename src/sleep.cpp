#include "zc/sleep.hpp"

#include "zc/op/timeout.hpp"

namespace zc {

task<> sleep_for(std::chrono::nanoseconds duration) {
  const result<void> slept = co_await op::timeout(duration);
  if (!slept) throw std::system_error(slept.error(), "zc::sleep_for");
}

}  // namespace zc
