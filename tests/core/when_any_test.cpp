#include "zc/when_any.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "zc/context.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"

TEST_SUITE_BEGIN("unit");

using namespace std::chrono_literals;

namespace {

zc::task<int> after(std::chrono::milliseconds delay, int value) {
  if (delay > 0ms) co_await zc::sleep_for(delay);
  co_return value;
}

/// Never ends by itself; tells how it ended.
zc::task<> until_cancelled(bool& cancelled) {
  try {
    co_await zc::sleep_for(1h);
  } catch (const std::system_error& error) {
    cancelled = error.code() == std::errc::operation_canceled;
    throw;
  }
}

}  // namespace

TEST_CASE("when_any: the first to finish wins; the others are cancelled and awaited") {
  bool cancelled = false;
  const auto first = zc::run(zc::when_any(until_cancelled(cancelled), after(5ms, 7)));
  REQUIRE(first.index() == 1);
  CHECK(std::get<1>(first) == 7);
  CHECK(cancelled);
}

TEST_CASE("when_any: of tasks that all end synchronously the first in order wins") {
  const auto first = zc::run(zc::when_any(after(0ms, 1), after(0ms, 2), after(0ms, 3)));
  REQUIRE(first.index() == 0);
  CHECK(std::get<0>(first) == 1);
}

TEST_CASE("when_any: a winner that ends synchronously keeps later tasks from waiting") {
  bool cancelled = false;
  for (int i = 0; i < 100; ++i) {
    cancelled = false;
    CHECK(zc::run(zc::when_any(after(0ms, 1), until_cancelled(cancelled))).index() == 0);
    CHECK(cancelled);
    cancelled = false;
    CHECK(zc::run(zc::when_any(until_cancelled(cancelled), after(0ms, 1))).index() == 1);
    CHECK(cancelled);
  }
}

TEST_CASE("when_any: when the first to finish throws, so does it; losers' exceptions are dropped") {
  bool cancelled = false;
  const auto throwing = []() -> zc::task<> {
    co_await zc::yield();
    throw std::runtime_error("first");
  };
  const auto loser = [&]() -> zc::task<> {
    co_await until_cancelled(cancelled);
    throw std::logic_error("not reached");
  };
  CHECK_THROWS_WITH_AS(zc::run(zc::when_any(loser(), throwing())), "first", std::runtime_error);
  CHECK(cancelled);
}

TEST_CASE("when_any: tasks without a value and values that can only be moved") {
  const auto pointer = []() -> zc::task<std::unique_ptr<int>> {
    co_return std::make_unique<int>(5);
  };
  bool cancelled = false;
  auto first = zc::run(zc::when_any(until_cancelled(cancelled), pointer()));
  CHECK(*std::get<1>(first) == 5);
  const auto nothing = []() -> zc::task<> { co_return; };
  CHECK(zc::run(zc::when_any(nothing())).index() == 0);
}

TEST_CASE("when_any: a loser that cleans up across the loop is awaited") {
  bool cleaned = false;
  const auto slow = [&]() -> zc::task<> {
    bool cancelled = false;
    try {
      co_await until_cancelled(cancelled);
    } catch (const std::system_error&) {
    }
    // Cancelled for good: another op ends as well, but the coroutine goes on.
    try {
      co_await zc::yield();
    } catch (const std::system_error&) {
      cleaned = true;
    }
  };
  CHECK(zc::run(zc::when_any(slow(), after(1ms, 1))).index() == 1);
  CHECK(cleaned);
}

TEST_CASE("when_any: cancelling it cancels every one of its tasks") {
  bool a = false;
  bool b = false;
  const auto both = [&]() -> zc::task<> {
    co_await zc::when_any(until_cancelled(a), until_cancelled(b));
  };
  CHECK_THROWS_AS(zc::run(zc::timeout(5ms, both())), std::system_error);
  CHECK(a);
  CHECK(b);
}

TEST_CASE("when_any: nested ones cancel from the outermost to the innermost") {
  bool a = false;
  bool b = false;
  const auto inner = [&]() -> zc::task<int> {
    co_await zc::when_any(until_cancelled(a), until_cancelled(b));
    co_return 1;
  };
  CHECK(zc::run(zc::when_any(inner(), after(2ms, 2))).index() == 1);
  CHECK(a);
  CHECK(b);
}

TEST_SUITE_END();
