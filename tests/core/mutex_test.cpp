#include "zc/mutex.hpp"

#include <doctest/doctest.h>

#include <system_error>
#include <utility>

#include "zc/context.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"

TEST_SUITE_BEGIN("kernel");

TEST_CASE("mutex: one at a time, across suspensions, first come, first served") {
  zc::mutex guarded;
  int value = 0;
  const auto add = [&](int rank) -> zc::task<> {
    const zc::mutex::held held = co_await guarded.lock();
    CHECK(held);
    CHECK(value == rank);
    const int seen = value;
    for (int i = 0; i < 3; ++i) co_await zc::yield();
    value = seen + 1;
  };
  const auto body = [&]() -> zc::task<> {
    zc::scope all;
    for (int rank = 0; rank < 10; ++rank) all.spawn(add(rank));
    co_await all.join();
  };
  zc::run(body());
  CHECK(value == 10);
  CHECK(guarded.try_lock());
}

TEST_CASE("mutex: held moves, lets go early, and only once") {
  zc::mutex guarded;
  zc::mutex::held one = guarded.try_lock();
  CHECK(one);
  CHECK(!guarded.try_lock());
  zc::mutex::held other = std::move(one);
  CHECK(!one);
  other.unlock();
  other.unlock();
  CHECK(!other);
  const zc::mutex::held again = guarded.try_lock();
  CHECK(again);
  other.unlock();
  CHECK(!guarded.try_lock());
}

TEST_CASE("mutex: a cancelled wait does not hold it, and the next in line gets it") {
  zc::mutex guarded;
  bool cancelled = false;
  bool got = false;
  const auto wait = [&](bool& done) -> zc::task<> {
    try {
      const zc::mutex::held held = co_await guarded.lock();
      done = true;
    } catch (const std::system_error& error) {
      cancelled = error.code() == std::errc::operation_canceled;
    }
  };
  const auto body = [&]() -> zc::task<> {
    zc::mutex::held mine = co_await guarded.lock();
    zc::scope dropped;
    zc::scope kept;
    bool never = false;
    dropped.spawn(wait(never));
    kept.spawn(wait(got));
    co_await zc::yield();
    dropped.cancel();
    co_await dropped.join();
    mine.unlock();
    co_await kept.join();
    CHECK(!never);
  };
  zc::run(body());
  CHECK(cancelled);
  CHECK(got);
  CHECK(guarded.try_lock());
}

TEST_SUITE_END();
