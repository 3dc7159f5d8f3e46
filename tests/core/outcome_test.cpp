#include "zc/outcome.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <variant>
#include <vector>

#include "zc/context.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"
#include "zc/when_any.hpp"

TEST_SUITE_BEGIN("unit");

using namespace std::chrono_literals;

namespace {

zc::task<int> number(int value) {
  co_await zc::yield();
  co_return value;
}

zc::task<int> failing(const char* text) {
  co_await zc::yield();
  throw std::runtime_error(text);
}

}  // namespace

TEST_CASE("settle: a value, an exception, a task without a value") {
  zc::outcome<int> value = zc::run(zc::settle(number(7)));
  REQUIRE(value);
  CHECK(*value == 7);
  CHECK_FALSE(value.error());
  zc::outcome<int> thrown = zc::run(zc::settle(failing("own")));
  CHECK_FALSE(thrown);
  CHECK_THROWS_WITH_AS(thrown.value(), "own", std::runtime_error);
  CHECK(zc::run(zc::settle(zc::sleep_for(0ms))).has_value());
  CHECK_THROWS_AS(zc::outcome<int>().value(), std::bad_optional_access);
}

TEST_CASE("settle: in when_all every value and every exception is there") {
  auto all = zc::run(zc::when_all(zc::settle(failing("first")), zc::settle(number(2)),
                                  zc::settle(failing("third"))));
  CHECK_THROWS_WITH(std::get<0>(all).value(), "first");
  CHECK(std::get<1>(all).value() == 2);
  CHECK_THROWS_WITH(std::get<2>(all).value(), "third");
}

TEST_CASE("settle: in timeout, what was cut short threw ETIMEDOUT") {
  zc::outcome<std::monostate> late = zc::run(zc::timeout(2ms, zc::settle(zc::sleep_for(1h))));
  REQUIRE(late.error());
  CHECK_THROWS_WITH_AS(late.value(), "zc::sleep_for: Connection timed out", std::system_error);
}

TEST_CASE("into: a spawned task's value has a place, and one that throws leaves that alone") {
  std::optional<int> kept;
  std::unique_ptr<int> moved;
  const auto pointer = []() -> zc::task<std::unique_ptr<int>> {
    co_return std::make_unique<int>(5);
  };
  const auto parent = [&]() -> zc::task<> {
    zc::scope tasks;
    tasks.spawn(zc::into(kept, number(7)));
    tasks.spawn(zc::into(moved, pointer()));
    co_await tasks.join();
    tasks.spawn(zc::into(kept, failing("on purpose")));
    CHECK_THROWS_WITH(co_await tasks.join(), "on purpose");
  };
  zc::run(parent());
  CHECK(kept == 7);
  REQUIRE(moved);
  CHECK(*moved == 5);
}

TEST_SUITE_END();
