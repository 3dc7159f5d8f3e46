#include "zc/op/nop.hpp"

#include <doctest/doctest.h>

#include "support/run_op.hpp"
#include "zc/with_stop.hpp"

TEST_SUITE_BEGIN("kernel");

TEST_CASE("op::nop: goes to the kernel and back") { CHECK(support::run_op<zc::op::nop>()); }

TEST_CASE("op::nop: in a task that is cancelled already it is ECANCELED") {
  std::stop_source stop;
  stop.request_stop();
  const auto once = []() -> zc::task<std::error_code> {
    const zc::result<void> done = co_await zc::op::nop();
    co_return done.error();
  };
  CHECK(zc::run(zc::with_stop(stop.get_token(), once())) == std::errc::operation_canceled);
}

TEST_SUITE_END();
