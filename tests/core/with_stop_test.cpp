#include "zc/with_stop.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "zc/context.hpp"
#include "zc/sleep.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

namespace {

/// True if the sleep was cancelled, false if it ended.
zc::task<bool> is_cancelled_within(std::chrono::nanoseconds duration) {
  try {
    co_await zc::sleep_for(duration);
  } catch (const std::system_error& error) {
    co_return error.code() == std::errc::operation_canceled;
  }
  co_return false;
}

}  // namespace

TEST_CASE("with_stop: work that is never stopped gives its value") {
  const std::stop_source stop;
  CHECK_FALSE(zc::run(zc::with_stop(stop.get_token(), is_cancelled_within(2ms))));
  CHECK_FALSE(zc::run(zc::with_stop(std::stop_token(), is_cancelled_within(2ms))));
}

TEST_CASE("with_stop: a stop that was requested before cancels the work at its first op") {
  std::stop_source stop;
  stop.request_stop();
  CHECK(zc::run(zc::with_stop(stop.get_token(), is_cancelled_within(1h))));
  CHECK_THROWS_AS(zc::run(zc::with_stop(stop.get_token(), zc::sleep_for(1h))), std::system_error);
}

TEST_CASE("with_stop: a stop from the context's own thread cancels the work") {
  std::stop_source stop;
  const auto stopping = [&]() -> zc::task<> {
    co_await zc::sleep_for(2ms);
    stop.request_stop();
  };
  const auto both = [&]() -> zc::task<bool> {
    zc::scope beside;
    beside.spawn(stopping());
    const bool cancelled = co_await zc::with_stop(stop.get_token(), is_cancelled_within(1h));
    co_await beside.join();
    co_return cancelled;
  };
  CHECK(zc::run(both()));
}

TEST_CASE("with_stop: a stop from another thread wakes the loop and cancels the work") {
  std::stop_source stop;
  std::thread other([&] {
    std::this_thread::sleep_for(10ms);
    stop.request_stop();
  });
  CHECK(zc::run(zc::with_stop(stop.get_token(), is_cancelled_within(1h))));
  other.join();
}

TEST_CASE("with_stop: only the work below it is cancelled") {
  std::stop_source stop;
  stop.request_stop();
  const auto outer = [&]() -> zc::task<bool> {
    const bool inner = co_await zc::with_stop(stop.get_token(), is_cancelled_within(1h));
    const bool beside = co_await is_cancelled_within(1ms);
    co_return inner && !beside;
  };
  CHECK(zc::run(outer()));
}

TEST_CASE("with_stop: 1000 stops that race the end of the work from another thread") {
  std::atomic<std::stop_source*> current{nullptr};
  std::atomic<bool> over{false};
  std::thread other([&] {
    while (!over.load()) {
      if (std::stop_source* stop = current.exchange(nullptr)) {
        stop->request_stop();
        delete stop;
      }
    }
  });
  int ended = 0;
  int cancelled = 0;
  const auto storm = [&]() -> zc::task<> {
    for (int i = 0; i < 1000; ++i) {
      auto* const stop = new std::stop_source;
      const std::stop_token token = stop->get_token();
      current.store(stop);
      const auto length = std::chrono::microseconds(i % 100);
      try {
        co_await zc::with_stop(token, zc::sleep_for(length));
        ++ended;
      } catch (const std::system_error& error) {
        if (error.code() == std::errc::operation_canceled) ++cancelled;
      }
      while (current.load() != nullptr) std::this_thread::yield();
    }
  };
  zc::run(storm());
  over.store(true);
  other.join();
  CAPTURE(ended);
  CHECK(ended + cancelled == 1000);
}

TEST_SUITE_END();
