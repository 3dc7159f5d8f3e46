#include "zc/sleep.hpp"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "support/process.hpp"
#include "zc/context.hpp"
#include "zc/scope.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"
#include "zc/with_stop.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

TEST_CASE("sleep_for: sleeps end in the order of their durations") {
  std::vector<int> order;
  const auto sleeper = [&](int rank) -> zc::task<> {
    co_await zc::sleep_for(rank * 20ms);
    order.push_back(rank);
  };
  zc::run(zc::when_all(sleeper(3), sleeper(1), sleeper(0), sleeper(2)));
  CHECK(order == std::vector<int>{0, 1, 2, 3});
}

TEST_CASE("sleep_for: lasts at least its duration; zero and less end at once") {
  const auto begun = std::chrono::steady_clock::now();
  zc::run(zc::sleep_for(15ms));
  CHECK(std::chrono::steady_clock::now() - begun >= 15ms);
  zc::run(zc::sleep_for(0ns));
  zc::run(zc::sleep_for(-1h));
}

TEST_CASE("try_sleep_for: lasts its duration, and says ECANCELED when cancelled") {
  const auto begun = std::chrono::steady_clock::now();
  CHECK(zc::run(zc::try_sleep_for(5ms)).has_value());
  CHECK(std::chrono::steady_clock::now() - begun >= 5ms);
  std::stop_source stop;
  stop.request_stop();
  const zc::result<void> cancelled =
      zc::run(zc::with_stop(stop.get_token(), zc::try_sleep_for(1h)));
  CHECK(cancelled.error() == std::errc::operation_canceled);
}

TEST_CASE("sleep_for, yield: cancelled ones throw ECANCELED") {
  std::stop_source stop;
  stop.request_stop();
  const auto code_of = [&](zc::task<> work) {
    try {
      zc::run(zc::with_stop(stop.get_token(), std::move(work)));
    } catch (const std::system_error& error) {
      return error.code();
    }
    return std::error_code();
  };
  const auto yielding = []() -> zc::task<> { co_await zc::yield(); };
  CHECK(code_of(zc::sleep_for(1h)) == std::errc::operation_canceled);
  CHECK(code_of(yielding()) == std::errc::operation_canceled);
}

TEST_CASE("sleep_for, timeout: for ever is for ever, and costs nothing") {
  const auto for_ever = std::chrono::nanoseconds::max();
  const auto sleeping_late = [&]() -> zc::task<> {
    co_await zc::timeout(std::chrono::hours::max(), zc::sleep_for(for_ever));
  };
  for (const bool late : {false, true}) {
    CAPTURE(late);
    std::stop_source stop;
    std::thread stopper([&] {
      std::this_thread::sleep_for(300ms);
      stop.request_stop();
    });
    const auto before = support::cpu_time();
    std::error_code code;
    try {
      zc::run(zc::with_stop(stop.get_token(), late ? sleeping_late() : zc::sleep_for(for_ever)));
    } catch (const std::system_error& error) {
      code = error.code();
    }
    CHECK(code == std::errc::operation_canceled);
    CHECK(support::cpu_time() - before < 150ms);
    stopper.join();
  }
}

TEST_CASE("yield: ready tasks take turns") {
  std::vector<int> order;
  const auto taking_turns = [&](int who) -> zc::task<> {
    for (int i = 0; i < 3; ++i) {
      order.push_back(who);
      co_await zc::yield();
    }
  };
  zc::run(zc::when_all(taking_turns(1), taking_turns(2)));
  CHECK(order == std::vector<int>{1, 2, 1, 2, 1, 2});
}

TEST_CASE("yield: a task that does nothing else does not keep timers from firing") {
  const auto busy = []() -> zc::task<> {
    for (;;) co_await zc::yield();
  };
  CHECK_THROWS_AS(zc::run(zc::timeout(10ms, busy())), std::system_error);
}

TEST_SUITE_END();
