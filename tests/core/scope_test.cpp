#include "zc/scope.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <vector>

#include "support/descriptors.hpp"
#include "zc/context.hpp"
#include "zc/op/close.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

namespace {

zc::task<> until_cancelled(int& caught) {
  try {
    co_await zc::sleep_for(1h);
  } catch (const std::system_error&) {
    ++caught;
    throw;
  }
}

zc::task<> fail_after(std::chrono::milliseconds delay, const char* text) {
  co_await zc::sleep_for(delay);
  throw std::runtime_error(text);
}

}  // namespace

TEST_CASE("scope: a spawned task runs before join, as soon as its spawner waits") {
  bool ran = false;
  const auto child = [&]() -> zc::task<> {
    ran = true;
    co_return;
  };
  const auto parent = [&]() -> zc::task<> {
    zc::scope tasks;
    tasks.spawn(child());
    CHECK_FALSE(ran);
    CHECK(tasks.running() == 1);
    co_await zc::yield();
    CHECK(ran);
    CHECK(tasks.running() == 0);
    co_await tasks.join();
  };
  zc::run(parent());
  CHECK(ran);
}

TEST_CASE("scope: join waits for all, and more can be spawned and joined afterwards") {
  int ended = 0;
  const auto child = [&]() -> zc::task<int> {
    co_await zc::sleep_for(2ms);
    co_return ++ended;
  };
  const auto parent = [&]() -> zc::task<> {
    zc::scope tasks;
    co_await tasks.join();  // nothing to wait for
    for (int round = 1; round <= 3; ++round) {
      for (int i = 0; i < 10; ++i) tasks.spawn(child());
      co_await tasks.join();
      CHECK(ended == 10 * round);
    }
  };
  zc::run(parent());
}

TEST_CASE("scope: when a task throws, the others are cancelled and join rethrows the first") {
  int caught = 0;
  const auto parent = [&]() -> zc::task<> {
    zc::scope tasks;
    tasks.spawn(until_cancelled(caught));
    tasks.spawn(fail_after(2ms, "first"));
    tasks.spawn(until_cancelled(caught));
    co_await tasks.join();
  };
  CHECK_THROWS_WITH_AS(zc::run(parent()), "first", std::runtime_error);
  CHECK(caught == 2);
}

TEST_CASE("scope: its end cancels what is left, and awaits it, catch blocks and all") {
  int caught = 0;
  const auto parent = [&](bool begun) -> zc::task<> {
    zc::scope tasks;
    for (int i = 0; i < 10; ++i) tasks.spawn(until_cancelled(caught));
    if (begun) co_await zc::sleep_for(2ms);
  };
  zc::run(parent(true));
  CHECK(caught == 10);
  zc::run(parent(false));
  CHECK(caught == 20);
}

TEST_CASE("scope: its end awaits ops that cannot be cancelled") {
  const int raw = support::empty_file().release();
  const auto child = [&]() -> zc::task<> {
    try {
      co_await zc::sleep_for(1h);
    } catch (const std::system_error&) {
    }
    const zc::result<void> closed = co_await zc::op::close(raw);
    CHECK(closed);
  };
  const auto parent = [&]() -> zc::task<> {
    zc::scope tasks;
    tasks.spawn(child());
    co_await zc::yield();
  };
  zc::run(parent());
  CHECK(::fcntl(raw, F_GETFD) == -1);
}

TEST_CASE("scope: its end runs its own tasks only, and those that were ready run afterwards") {
  int steps = 0;
  int steps_during_end = -1;
  bool over = false;
  const auto bystander = [&]() -> zc::task<> {
    while (!over) {
      ++steps;
      co_await zc::yield();
    }
  };
  int caught = 0;
  const auto owner = [&]() -> zc::task<> {
    co_await zc::yield();
    int before = 0;
    {
      zc::scope tasks;
      for (int i = 0; i < 10; ++i) tasks.spawn(until_cancelled(caught));
      co_await zc::sleep_for(2ms);
      before = steps;
    }
    steps_during_end = steps - before;
    co_await zc::yield();
    co_await zc::yield();
    CHECK(steps > before);
    over = true;
  };
  const auto all = [&]() -> zc::task<> {
    zc::scope tasks;
    for (int i = 0; i < 3; ++i) tasks.spawn(bystander());
    tasks.spawn(owner());
    for (int i = 0; i < 3; ++i) tasks.spawn(bystander());
    co_await tasks.join();
  };
  zc::run(all());
  CHECK(steps_during_end == 0);
  CHECK(caught == 10);
}

TEST_CASE("scope: scopes inside tasks of a scope end from the inside out") {
  int caught = 0;
  const auto leaf_owner = [&](bool join) -> zc::task<> {
    zc::scope inner;
    inner.spawn(until_cancelled(caught));
    inner.spawn(until_cancelled(caught));
    if (join) co_await inner.join();
    co_await zc::sleep_for(1h);
  };
  const auto parent = [&]() -> zc::task<> {
    zc::scope outer;
    for (int i = 0; i < 20; ++i) outer.spawn(leaf_owner(i % 2 == 0));
    co_await zc::sleep_for(2ms);
  };
  zc::run(parent());
  CHECK(caught == 40);
}

TEST_CASE("scope: cancel stops tasks of now and of later, and join does not call that an error") {
  int caught = 0;
  const auto parent = [&]() -> zc::task<> {
    zc::scope tasks;
    tasks.spawn(until_cancelled(caught));
    co_await zc::yield();
    tasks.cancel();
    tasks.spawn(until_cancelled(caught));
    co_await tasks.join();
    const auto failing = []() -> zc::task<> {
      throw std::runtime_error("on purpose");
      co_return;
    };
    tasks.spawn(failing());
    CHECK_THROWS_AS(co_await tasks.join(), std::runtime_error);
  };
  zc::run(parent());
  CHECK(caught == 2);
}

TEST_CASE("scope: a task spawned while join is about to resume is joined too") {
  bool late = false;
  const auto parent = [&]() -> zc::task<> {
    zc::scope tasks;
    const auto last = [](bool& done) -> zc::task<> {
      co_await zc::sleep_for(1ms);
      done = true;
    };
    const auto bystander = [&]() -> zc::task<> {
      while (tasks.running() > 0) co_await zc::yield();
      tasks.spawn(last(late));  // join has been posted, and has not resumed
    };
    const auto first = []() -> zc::task<> { co_await zc::yield(); };
    zc::scope others;
    tasks.spawn(first());
    others.spawn(bystander());
    co_await tasks.join();
    CHECK(late);
    co_await others.join();
  };
  zc::run(parent());
}

TEST_CASE("scope: a second join() that comes before the first has resumed takes nothing from it") {
  bool refused = false;
  const auto parent = [&]() -> zc::task<> {
    zc::scope tasks;
    const auto second = [&]() -> zc::task<> {
      while (tasks.running() > 0) co_await zc::yield();
      try {
        co_await tasks.join();  // the first has been posted, and has not resumed
      } catch (const std::logic_error&) {
        refused = true;
      }
    };
    const auto failing = []() -> zc::task<> {
      co_await zc::yield();
      throw std::runtime_error("on purpose");
    };
    zc::scope others;
    tasks.spawn(failing());
    others.spawn(second());
    CHECK_THROWS_AS(co_await tasks.join(), std::runtime_error);
    co_await others.join();
    co_await tasks.join();
  };
  zc::run(parent());
  CHECK(refused);
}

TEST_CASE("scope: cancelling the task that joins cancels the tasks") {
  int caught = 0;
  const auto parent = [&]() -> zc::task<> {
    zc::scope tasks;
    for (int i = 0; i < 5; ++i) tasks.spawn(until_cancelled(caught));
    co_await tasks.join();
  };
  CHECK_THROWS_AS(zc::run(zc::timeout(3ms, parent())), std::system_error);
  CHECK(caught == 5);
}

TEST_CASE("scope: a task may spawn siblings, also while it is cancelled") {
  int caught = 0;
  const auto parent = [&]() -> zc::task<> {
    zc::scope tasks;
    const auto breeder = [&]() -> zc::task<> {
      try {
        co_await zc::sleep_for(1h);
      } catch (const std::system_error&) {
        tasks.spawn(until_cancelled(caught));
      }
    };
    tasks.spawn(breeder());
    co_await zc::yield();
    tasks.cancel();
    co_await tasks.join();
  };
  zc::run(parent());
  CHECK(caught == 1);
}

TEST_CASE("scope: spawn outside a running context throws std::logic_error, and frees the task") {
  const auto held = std::make_shared<int>(0);
  const auto child = [](std::shared_ptr<int>) -> zc::task<> { co_return; };
  zc::scope tasks;
  CHECK_THROWS_AS(tasks.spawn(child(held)), std::logic_error);
  CHECK(held.use_count() == 1);
  CHECK(tasks.running() == 0);
}

TEST_CASE("scope: a task's memory goes when it ends, not when the scope does") {
  const auto held = std::make_shared<int>(0);
  const auto child = [](std::shared_ptr<int>) -> zc::task<> { co_await zc::yield(); };
  long most = 0;
  const auto parent = [&]() -> zc::task<> {
    zc::scope tasks;
    for (int i = 0; i < 10'000; ++i) {
      tasks.spawn(child(held));
      co_await zc::yield();
      most = std::max(most, held.use_count());
    }
    co_await tasks.join();
    CHECK(held.use_count() == 1);
  };
  zc::run(parent());
  CHECK(most < 10);
}

TEST_CASE("scope: an exception in the task that owns it cancels the tasks and passes") {
  int caught = 0;
  const auto parent = [&]() -> zc::task<> {
    zc::scope tasks;
    tasks.spawn(until_cancelled(caught));
    co_await zc::sleep_for(1ms);
    throw std::runtime_error("owner");
  };
  CHECK_THROWS_WITH_AS(zc::run(parent()), "owner", std::runtime_error);
  CHECK(caught == 1);
}

TEST_SUITE_END();
