#include "zc/semaphore.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <system_error>

#include "zc/context.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"

using namespace std::chrono_literals;

TEST_SUITE_BEGIN("kernel");

TEST_CASE("semaphore: no more than its permits are out, and those who wait are served in order") {
  zc::semaphore permits(2);
  int inside = 0;
  int most = 0;
  std::string order;
  const auto work = [&](char name) -> zc::task<> {
    co_await permits.acquire();
    most = std::max(most, ++inside);
    order += name;
    co_await zc::yield();
    --inside;
    permits.release();
  };
  const auto body = [&]() -> zc::task<> {
    zc::scope all;
    for (const char name : {'a', 'b', 'c', 'd', 'e'}) all.spawn(work(name));
    co_await all.join();
  };
  zc::run(body());
  CHECK(most == 2);
  CHECK(order == "abcde");
  CHECK(permits.available() == 2);
  CHECK(permits.try_acquire());
  CHECK(permits.try_acquire());
  CHECK(!permits.try_acquire());
  permits.release(2);
  CHECK(permits.available() == 2);
}

TEST_CASE("semaphore: a cancelled wait has taken no permit, whenever the cancel comes") {
  for (const bool release_first : {false, true}) {
    CAPTURE(release_first);
    zc::semaphore permits(0);
    bool cancelled = false;
    bool acquired = false;
    const auto wait = [&]() -> zc::task<> {
      try {
        co_await permits.acquire();
        acquired = true;
      } catch (const std::system_error& error) {
        cancelled = error.code() == std::errc::operation_canceled;
      }
    };
    const auto body = [&]() -> zc::task<> {
      zc::scope all;
      all.spawn(wait());
      co_await zc::yield();
      if (release_first) permits.release();  // it was given: the cancel comes too late
      all.cancel();
      if (!release_first) permits.release();
      co_await all.join();
    };
    zc::run(body());
    CHECK(acquired == release_first);
    CHECK(cancelled == !release_first);
    CHECK(permits.available() == (release_first ? 0 : 1));
  }
}

TEST_SUITE_END();
