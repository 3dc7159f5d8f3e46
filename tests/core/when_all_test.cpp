#include "zc/when_all.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <vector>

#include "zc/context.hpp"
#include "zc/sleep.hpp"

TEST_SUITE_BEGIN("unit");

using namespace std::chrono_literals;

namespace {

zc::task<int> after(std::chrono::milliseconds delay, int value) {
  if (delay > 0ms) co_await zc::sleep_for(delay);
  co_return value;
}

zc::task<int> fail_after(std::chrono::milliseconds delay, const char* text) {
  if (delay > 0ms) co_await zc::sleep_for(delay);
  throw std::runtime_error(text);
}

zc::task<> nothing() { co_return; }

}  // namespace

TEST_CASE("when_all: values come in the order of the tasks, not of their ends") {
  const auto values = zc::run(zc::when_all(after(20ms, 1), after(0ms, 2), after(5ms, 3)));
  CHECK(values == std::tuple(1, 2, 3));
}

TEST_CASE("when_all: a task without a value counts as std::monostate, any type may be mixed in") {
  const auto pointer = []() -> zc::task<std::unique_ptr<int>> {
    co_return std::make_unique<int>(5);
  };
  auto values = zc::run(zc::when_all(nothing(), pointer(), after(1ms, 6)));
  static_assert(
      std::is_same_v<decltype(values), std::tuple<std::monostate, std::unique_ptr<int>, int>>);
  CHECK(*std::get<1>(values) == 5);
  CHECK(std::get<2>(values) == 6);
}

TEST_CASE("when_all: none at all ends at once") {
  zc::run(zc::when_all());
  CHECK(zc::run(zc::when_all(std::vector<zc::task<int>>())).empty());
  zc::run(zc::when_all(std::vector<zc::task<>>()));
}

TEST_CASE("when_all: waits for every task, then throws the exception of the first in order") {
  bool ended = false;
  const auto late = [&ended]() -> zc::task<> {
    co_await zc::sleep_for(20ms);
    ended = true;
  };
  CHECK_THROWS_WITH(
      zc::run(zc::when_all(fail_after(5ms, "first"), fail_after(0ms, "second"), late())), "first");
  CHECK(ended);
}

TEST_CASE("when_all: 10 000 tasks of a vector, of both kinds of end") {
  std::vector<zc::task<int>> tasks;
  for (int i = 0; i < 10'000; ++i) tasks.push_back(after(i % 2 == 0 ? 0ms : 1ms, i));
  const std::vector<int> values = zc::run(zc::when_all(std::move(tasks)));
  REQUIRE(values.size() == 10'000);
  for (int i = 0; i < 10'000; ++i) REQUIRE(values[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("when_all: a vector of tasks without a value; the first exception in order is thrown") {
  int ended = 0;
  const auto count = [&ended](int failing) -> zc::task<> {
    co_await zc::yield();
    ++ended;
    if (failing != 0) throw std::runtime_error(std::to_string(failing));
  };
  std::vector<zc::task<>> tasks;
  for (const int failing : {0, 2, 1, 0}) tasks.push_back(count(failing));
  CHECK_THROWS_WITH(zc::run(zc::when_all(std::move(tasks))), "2");
  CHECK(ended == 4);
}

TEST_SUITE_END();
