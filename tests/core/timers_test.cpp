#include "core/timers.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <iterator>
#include <map>
#include <memory>
#include <random>

#include "engine/loop.hpp"
#include "zc/context.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/when_all.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

TEST_CASE("timers: the next one is always the soonest, whatever comes and goes") {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    std::minstd_rand random(seed);
    zc::context context;
    const zc::detail::timers& clock = zc::detail::loop::of(context).clock();
    const auto coming_and_going = [&]() -> zc::task<> {
      // Whole hours, so that it does not matter how long the test takes.
      std::multimap<std::chrono::hours, std::unique_ptr<zc::scope>> pending;
      for (int step = 0; step < 2000; ++step) {
        CAPTURE(step);
        // Grows to some hundreds, and shrinks to none.
        const bool grows = random() % 100 < (step / 500 % 2 == 0 ? 80 : 20);
        if (grows || pending.empty()) {
          const std::chrono::hours after(1 + random() % 50);
          const auto added = pending.emplace(after, std::make_unique<zc::scope>());
          added->second->spawn(zc::sleep_for(after));
          co_await zc::yield();
        } else {
          pending.erase(
              std::next(pending.begin(), static_cast<std::ptrdiff_t>(random() % pending.size())));
        }
        const auto next = clock.until_next();
        if (pending.empty()) {
          REQUIRE(next == std::chrono::nanoseconds::max());
        } else {
          REQUIRE(next <= pending.begin()->first);
          REQUIRE(next > pending.begin()->first - 10min);
        }
      }
    };
    context.run(coming_and_going());
    CHECK(clock.until_next() == std::chrono::nanoseconds::max());
  }
}

TEST_CASE("timers: 3000 of them, some at the same time, all end, and none too soon") {
  std::minstd_rand random(1);
  int early = 0;
  const auto sleeper = [&](std::chrono::microseconds duration) -> zc::task<> {
    const auto begun = std::chrono::steady_clock::now();
    co_await zc::sleep_for(duration);
    if (std::chrono::steady_clock::now() - begun < duration) ++early;
  };
  std::vector<zc::task<>> sleepers;
  for (int i = 0; i < 3000; ++i) {
    sleepers.push_back(sleeper(std::chrono::microseconds(random() % 50 * 1000)));
  }
  zc::run(zc::when_all(std::move(sleepers)));
  CHECK(early == 0);
}

TEST_CASE("timers: one whose coroutine is destroyed fires no more") {
  zc::context context;
  bool over = false;
  const auto owner = [&]() -> zc::task<> {
    {
      zc::scope those;
      those.spawn(zc::sleep_for(1ms));
      those.spawn(zc::sleep_for(1h));
      co_await zc::yield();
    }
    co_await zc::sleep_for(3ms);
    over = true;
  };
  context.run(owner());
  CHECK(over);
  CHECK(zc::detail::loop::of(context).clock().until_next() == std::chrono::nanoseconds::max());
}

TEST_SUITE_END();
