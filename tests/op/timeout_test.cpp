#include "zc/op/timeout.hpp"

#include <doctest/doctest.h>

#include "support/run_op.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;
using support::run_op;

TEST_CASE("op::timeout: succeeds when the duration is over, and not before") {
  const auto begun = std::chrono::steady_clock::now();
  CHECK(run_op<zc::op::timeout>(std::chrono::nanoseconds(20ms)));
  CHECK(std::chrono::steady_clock::now() - begun >= 20ms);
}

TEST_CASE("op::timeout: zero and negative durations are over at once") {
  for (const std::chrono::nanoseconds each : {0ns, -1ns, std::chrono::nanoseconds(-24h)}) {
    CHECK(run_op<zc::op::timeout>(each));
  }
}

TEST_SUITE_END();
