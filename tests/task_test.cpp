#include "zc/task.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "zc/context.hpp"

TEST_SUITE_BEGIN("unit");

namespace {

zc::task<int> number(int value) { co_return value; }

zc::task<int> throwing() {
  throw std::runtime_error("on purpose");
  co_return 0;
}

}  // namespace

TEST_CASE("task: its value reaches the coroutine that awaits it") {
  const auto sum = []() -> zc::task<int> { co_return co_await number(1) + co_await number(2); };
  CHECK(zc::run(sum()) == 3);
}

TEST_CASE("task: its exception reaches the coroutine that awaits it") {
  const auto catching = []() -> zc::task<std::string> {
    std::string text;
    try {
      co_await throwing();
    } catch (const std::runtime_error& error) {
      text = error.what();
    }
    co_return text;
  };
  CHECK(zc::run(catching()) == "on purpose");
  CHECK_THROWS_AS(zc::run(throwing()), std::runtime_error);
}

TEST_CASE("task: a million synchronous completions in a row do not grow the stack") {
  const auto many = []() -> zc::task<long> {
    long sum = 0;
    for (int i = 0; i < 1'000'000; ++i) sum += co_await number(1);
    co_return sum;
  };
  CHECK(zc::run(many()) == 1'000'000);
}

TEST_SUITE_END();
