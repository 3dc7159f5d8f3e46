#include "zc/run_on.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <system_error>
#include <thread>

#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "support/sanitizers.hpp"
#include "zc/sleep.hpp"
#include "zc/with_stop.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

TEST_CASE("run_on: each index has a thread and a context of its own, the first one the caller's") {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::set<std::size_t> indexes;
  std::atomic<int> arrived{0};
  std::thread::id first;
  zc::run_on(3, [&](std::size_t index) -> zc::task<> {
    {
      const std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
      indexes.insert(index);
      if (index == 0) first = std::this_thread::get_id();
    }
    ++arrived;
    // All at once: none of them ends before the last has begun.
    while (arrived < 3) co_await zc::sleep_for(1ms);
  });
  CHECK(threads.size() == 3);
  CHECK(indexes == std::set<std::size_t>{0, 1, 2});
  CHECK(first == std::this_thread::get_id());
}

TEST_CASE("run_on: the first exception cancels the others and is thrown, whosever it is") {
  for (std::size_t thrower = 0; thrower < 3; ++thrower) {
    CAPTURE(thrower);
    std::atomic<int> cancelled{0};
    const auto factory = [&](std::size_t index) -> zc::task<> {
      if (index == thrower) throw std::runtime_error("no");
      try {
        co_await zc::sleep_for(1h);
      } catch (const std::system_error& error) {
        if (error.code() == std::errc::operation_canceled) ++cancelled;
        throw;
      }
    };
    CHECK_THROWS_WITH_AS(zc::run_on(3, factory), "no", std::runtime_error);
    CHECK(cancelled <= 2);  // who had not begun has nothing to cancel
  }
}

TEST_CASE("run_on: an exception of the factory itself is thrown, and the others are cancelled") {
  const auto sleep = []() -> zc::task<> { co_await zc::sleep_for(1h); };
  const auto factory = [&](std::size_t index) -> zc::task<> {
    if (index == 1) throw std::logic_error("none made");
    return sleep();
  };
  CHECK_THROWS_WITH_AS(zc::run_on(2, factory), "none made", std::logic_error);
}

TEST_CASE("run_on: a stop that all share ends them all") {
  std::stop_source stop;
  std::atomic<int> ended{0};
  const auto sleep = []() -> zc::task<> { co_await zc::sleep_for(1h); };
  const auto factory = [&](std::size_t index) -> zc::task<> {
    if (index == 1) stop.request_stop();
    try {
      co_await zc::with_stop(stop.get_token(), sleep());
    } catch (const std::system_error& error) {
      if (error.code() == std::errc::operation_canceled) ++ended;
    }
  };
  zc::run_on(4, factory);
  CHECK(ended == 4);
}

TEST_CASE("run_on: a context that is not to be had is an error, and nothing stays behind") {
  const support::limit few(RLIMIT_NOFILE, static_cast<rlim_t>(zc::fd(::dup(0)).get()) + 4);
  const auto factory = [](std::size_t) -> zc::task<> { co_await zc::sleep_for(1h); };
  CHECK_THROWS_AS(zc::run_on(8, factory), std::system_error);
}

// UBSan looks at objects through a pipe: without a descriptor for that it finds fault with all.
#ifndef ZC_TEST_ASAN
TEST_CASE("run_on: where one context is not to be had no task begins") {
  const std::size_t before = support::open_descriptors();
  const std::size_t each = [&] {
    const zc::context one;
    return support::open_descriptors() - before;
  }();
  std::atomic<int> begun{0};
  const auto factory = [&](std::size_t) -> zc::task<> {
    ++begun;
    co_return;
  };
  const int lowest_free = zc::fd(::dup(STDIN_FILENO)).get();
  const support::limit room_for_two(
      RLIMIT_NOFILE, static_cast<rlim_t>(lowest_free) + static_cast<rlim_t>(2 * each));
  CHECK_NOTHROW(zc::run_on(2, factory));
  CHECK(begun == 2);
  CHECK_THROWS_AS(zc::run_on(3, factory), std::system_error);
  CHECK(begun == 2);
}
#endif

TEST_CASE("run_on: no threads is an error") {
  const auto factory = [](std::size_t) -> zc::task<> { co_return; };
  CHECK_THROWS_AS(zc::run_on(0, factory), std::invalid_argument);
}

TEST_SUITE_END();
