#include "zc/task.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "zc/context.hpp"
#include "zc/sleep.hpp"

TEST_SUITE_BEGIN("unit");

namespace {

zc::task<int> number(int value) { co_return value; }

zc::task<int> throwing() {
  throw std::runtime_error("on purpose");
  co_return 0;
}

/// Far away from where it began, the stack has grown: this tells how far it ever got.
class stack_watch {
 public:
  void look() noexcept {
    const char here = 0;
    const auto at = reinterpret_cast<std::uintptr_t>(&here);
    lowest_ = std::min(lowest_, at);
    highest_ = std::max(highest_, at);
  }
  std::size_t bytes() const noexcept { return highest_ - lowest_; }

 private:
  std::uintptr_t lowest_ = UINTPTR_MAX;
  std::uintptr_t highest_ = 0;
};

// AddressSanitizer's frames are large, and so is 100 times the largest of them.
constexpr std::size_t stack_limit_bytes = 1 << 20;

zc::task<int> sum_to(int n, bool go_round, stack_watch& stack) {
  stack.look();
  if (n == 0) {
    if (go_round) co_await zc::yield();
    co_return 0;
  }
  const int below = co_await sum_to(n - 1, go_round, stack);
  stack.look();
  co_return below + 1;
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

TEST_CASE("task: an exception passes three levels, and their locals are destroyed on the way") {
  int destroyed = 0;
  const auto count = [&destroyed](int*) { ++destroyed; };
  using guard = std::unique_ptr<int, decltype(count)>;
  int target = 0;
  const auto inner = [&](bool go_round) -> zc::task<int> {
    const guard local(&target, count);
    if (go_round) co_await zc::yield();
    co_return co_await throwing();
  };
  const auto middle = [&](bool go_round) -> zc::task<int> {
    const guard local(&target, count);
    co_return co_await inner(go_round);
  };
  const auto outer = [&](bool go_round) -> zc::task<int> {
    const guard local(&target, count);
    co_return co_await middle(go_round);
  };
  for (const bool go_round : {false, true}) {
    CAPTURE(go_round);
    destroyed = 0;
    CHECK_THROWS_WITH_AS(zc::run(outer(go_round)), "on purpose", std::runtime_error);
    CHECK(destroyed == 3);
  }
}

TEST_CASE("task: a value that can only be moved passes several levels") {
  const auto make = []() -> zc::task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
  const auto pass = [&]() -> zc::task<std::unique_ptr<int>> {
    std::unique_ptr<int> made = co_await make();
    co_return made;
  };
  CHECK(*zc::run(pass()) == 7);
}

TEST_CASE("task: its value may be given in braces") {
  struct pair {
    int a = 0;
    int b = 0;
  };
  const auto braces = []() -> zc::task<pair> { co_return {1, 2}; };
  CHECK(zc::run(braces()).b == 2);
}

TEST_CASE("task: one that nobody awaits never starts, and frees its arguments") {
  const auto held = std::make_shared<int>(0);
  bool begun = false;
  const auto work = [&begun](std::shared_ptr<int> argument) -> zc::task<> {
    begun = true;
    co_await zc::yield();
    static_cast<void>(argument);
  };
  {
    const zc::task<> idle = work(held);
    CHECK(held.use_count() == 2);
  }
  CHECK(held.use_count() == 1);
  CHECK_FALSE(begun);
}

TEST_CASE("task: moving it leaves the old one empty; assigning drops what was there") {
  zc::task<int> a = number(1);
  zc::task<int> b = std::move(a);
  CHECK_FALSE(static_cast<bool>(a));  // NOLINT(bugprone-use-after-move): that is the test
  b = number(2);
  CHECK(zc::run(std::move(b)) == 2);
  CHECK_FALSE(static_cast<bool>(zc::task<int>()));
}

TEST_CASE("task: a million synchronous completions in a row do not grow the stack") {
  const auto many = []() -> zc::task<long> {
    long sum = 0;
    for (int i = 0; i < 1'000'000; ++i) sum += co_await number(1);
    co_return sum;
  };
  CHECK(zc::run(many()) == 1'000'000);
}

TEST_CASE("task: a million times round the loop do not grow the stack") {
  stack_watch stack;
  const auto many = [&]() -> zc::task<> {
    for (int i = 0; i < 1'000'000; ++i) {
      co_await zc::yield();
      stack.look();
    }
  };
  zc::run(many());
  CHECK(stack.bytes() < stack_limit_bytes);
}

TEST_CASE("task: 100 000 levels deep the stack stays bounded, going down and coming back") {
  for (const bool go_round : {false, true}) {
    CAPTURE(go_round);
    stack_watch stack;
    CHECK(zc::run(sum_to(100'000, go_round, stack)) == 100'000);
    CHECK(stack.bytes() < stack_limit_bytes);
  }
}

TEST_SUITE_END();
