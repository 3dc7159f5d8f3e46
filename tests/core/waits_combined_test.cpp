// What waits between tasks goes into every combinator, as ops do.

#include <doctest/doctest.h>

#include <memory>
#include <stop_token>
#include <system_error>
#include <utility>

#include "zc/channel.hpp"
#include "zc/context.hpp"
#include "zc/event.hpp"
#include "zc/mutex.hpp"
#include "zc/scope.hpp"
#include "zc/semaphore.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"
#include "zc/when_any.hpp"
#include "zc/with_stop.hpp"

using namespace std::chrono_literals;

TEST_SUITE_BEGIN("kernel");

namespace {

using values = zc::channel<std::unique_ptr<int>>;

/// What `work` threw; no error when it did not.
zc::task<std::error_code> error_of(zc::task<> work) {
  try {
    co_await std::move(work);
  } catch (const std::system_error& error) {
    co_return error.code();
  }
  co_return std::error_code();
}

}  // namespace

TEST_CASE(
    "event, semaphore, mutex, channel: their waits end at a deadline, and have taken nothing") {
  zc::event never;
  zc::semaphore permits(0);
  zc::mutex guarded;
  values between(0);
  const auto body = [&]() -> zc::task<> {
    zc::mutex::held mine = co_await guarded.lock();
    CHECK(co_await error_of(zc::timeout(1ms, never.wait())) == std::errc::timed_out);
    CHECK(co_await error_of(zc::timeout(1ms, permits.acquire())) == std::errc::timed_out);
    CHECK_THROWS_AS(static_cast<void>(co_await zc::timeout(1ms, guarded.lock())),
                    std::system_error);
    CHECK_THROWS_AS(static_cast<void>(co_await zc::timeout(1ms, between.receive())),
                    std::system_error);
    auto value = std::make_unique<int>(1);
    CHECK_THROWS_AS(co_await zc::timeout(1ms, between.send(std::move(value))), std::system_error);
    permits.release();
    CHECK(permits.available() == 1);
    mine.unlock();
    CHECK(guarded.try_lock());
    CHECK(!between.try_receive());
  };
  zc::run(body());
}

TEST_CASE("event, semaphore, mutex, channel: in when_all, when_any, with_stop and spawn") {
  zc::event ready;
  zc::semaphore permits(1);
  zc::mutex guarded;
  values between(1);
  const auto body = [&]() -> zc::task<> {
    ready.set();
    CHECK(between.try_send(std::make_unique<int>(5)));
    auto all =
        co_await zc::when_all(ready.wait(), permits.acquire(), guarded.lock(), between.receive());
    CHECK(permits.available() == 0);
    CHECK(!guarded.try_lock());
    REQUIRE(std::get<3>(all).has_value());
    CHECK(**std::get<3>(all) == 5);
    std::get<2>(all).unlock();

    auto first = co_await zc::when_any(between.receive(), ready.wait());
    CHECK(first.index() == 1);
    CHECK(std::get<0>(first.others).error());

    std::stop_source stop;
    stop.request_stop();
    CHECK(co_await error_of(zc::with_stop(stop.get_token(), permits.acquire())) ==
          std::errc::operation_canceled);

    zc::scope tasks;
    tasks.spawn(permits.acquire());
    co_await zc::yield();
    CHECK(tasks.running() == 1);
    permits.release();
    co_await tasks.join();
    CHECK(permits.available() == 0);
  };
  zc::run(body());
}

TEST_CASE("channel: what a receive was given before its deadline is not lost") {
  values between(0);
  const auto body = [&]() -> zc::task<> {
    zc::scope tasks;
    std::unique_ptr<int> got;
    const auto receive = [&]() -> zc::task<> {
      got = (co_await zc::timeout(1h, between.receive())).value_or(nullptr);
    };
    tasks.spawn(receive());
    co_await zc::yield();
    CHECK(between.try_send(std::make_unique<int>(3)));
    tasks.cancel();  // after it was given, and before its coroutine runs
    co_await tasks.join();
    REQUIRE(got);
    CHECK(*got == 3);
  };
  zc::run(body());
}

TEST_SUITE_END();
