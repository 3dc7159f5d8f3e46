#include "zc/run_blocking.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include "zc/context.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"

using namespace std::chrono_literals;

TEST_SUITE_BEGIN("kernel");

TEST_CASE("run_blocking: gives the value of a call on another thread, or throws its exception") {
  const auto body = [&]() -> zc::task<> {
    const std::thread::id home = std::this_thread::get_id();
    const auto who = [] { return std::this_thread::get_id(); };
    CHECK(co_await zc::run_blocking(who) != home);
    CHECK(std::this_thread::get_id() == home);
    const auto move_only = [] { return std::make_unique<int>(3); };
    const std::unique_ptr<int> value = co_await zc::run_blocking(move_only);
    CHECK(*value == 3);
    bool called = false;
    const auto nothing = [&called] { called = true; };
    co_await zc::run_blocking(nothing);
    CHECK(called);
    const auto failing = []() -> int { throw std::out_of_range("on purpose"); };
    CHECK_THROWS_AS(co_await zc::run_blocking(failing), std::out_of_range);
  };
  zc::run(body());
}

TEST_CASE("run_blocking: the context's other tasks go on, and four calls run at once") {
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::atomic<bool> open{false};
  const auto block = [&] {
    const int now = ++inside;
    int before = most;
    while (before < now && !most.compare_exchange_weak(before, now)) continue;
    while (!open) std::this_thread::sleep_for(1ms);
    --inside;
  };
  const auto body = [&]() -> zc::task<> {
    zc::scope calls;
    for (int i = 0; i < 9; ++i) calls.spawn(zc::run_blocking(block));
    while (inside < 4) co_await zc::sleep_for(1ms);
    for (int i = 0; i < 20; ++i) co_await zc::sleep_for(1ms);
    CHECK(inside == 4);
    open = true;
    co_await calls.join();
  };
  zc::run(body());
  CHECK(most == 4);
}

TEST_CASE("run_blocking: cancelled in the queue it is not called; running, its value is kept") {
  std::atomic<bool> open{false};
  std::atomic<int> begun{0};
  const auto block = [&] {
    const int rank = ++begun;
    while (!open) std::this_thread::sleep_for(1ms);
    return rank;
  };
  const auto body = [&]() -> zc::task<> {
    zc::scope calls;
    std::vector<int> kept;
    int cancelled = 0;
    const auto one = [&]() -> zc::task<> {
      try {
        kept.push_back(co_await zc::run_blocking(block));
      } catch (const std::system_error& error) {
        cancelled += error.code() == std::errc::operation_canceled;
      }
    };
    for (int i = 0; i < 6; ++i) calls.spawn(one());
    while (begun < 4) co_await zc::sleep_for(1ms);
    calls.cancel();
    while (cancelled < 2) co_await zc::sleep_for(1ms);
    CHECK(kept.empty());
    open = true;
    co_await calls.join();
    CHECK(kept.size() == 4);
    CHECK(begun == 4);
  };
  zc::run(body());
}

TEST_SUITE_END();
