#include "zc/detail/scheduler.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/process.hpp"
#include "zc/detail/cancel.hpp"
#include "zc/detail/join.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/task.hpp"
#include "zc/when_all.hpp"
#include "zc/when_any.hpp"

TEST_SUITE_BEGIN("unit");

namespace {

/// A scheduler without a ring: the coroutine kit needs no io_uring.
class bare_scheduler final : public zc::detail::scheduler {
 public:
  void run(zc::detail::promise_base& work) {
    const running_here here(*this);
    root main;
    work.post_in({this, &main.scope}, main);
    while (!main.done) {
      run_ready();
      if (!main.done) turn(!has_ready());
    }
  }

  template <class T>
  T run(zc::task<T> work) {
    run(work.promise());
    return work.take();
  }

  /// What turn() does when it comes round, as a completion would.
  std::vector<zc::detail::resumable*> completions;
  int turns = 0;
  std::atomic<int> wakes{0};

 private:
  class root final : public zc::detail::joiner {
   public:
    zc::detail::cancel_scope scope;
    bool done = false;

   private:
    std::coroutine_handle<> child_done(zc::detail::promise_base&) noexcept override {
      done = true;
      return std::noop_coroutine();
    }
  };

  void turn(bool wait) override {
    ++turns;
    run_remote();
    for (zc::detail::resumable* each : completions) post(*each);
    const bool stuck = wait && completions.empty() && !has_ready() && wakes.load() == 0;
    completions.clear();
    if (stuck) throw std::logic_error("nothing will ever happen");
  }
  void wake() noexcept override { ++wakes; }
};

/// Suspends until the next turn of a bare_scheduler, as an op does.
struct next_turn {
  explicit next_turn(bare_scheduler& in) noexcept : where(in) {}
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> self) {
    where.completions.push_back(&self.promise());
  }
  void await_resume() const noexcept {}
  bare_scheduler& where;
};

}  // namespace

TEST_CASE("scheduler: the coroutine kit runs on one without a ring") {
  bare_scheduler here;
  const auto number = [&](int value) -> zc::task<int> {
    co_await next_turn(here);
    co_return value;
  };
  int spawned = 0;
  const auto child = [&]() -> zc::task<> { spawned += co_await number(1); };
  const auto all = [&]() -> zc::task<int> {
    const std::tuple<int, int> both = co_await zc::when_all(number(1), number(2));
    const std::variant<int, int> first = co_await zc::when_any(number(3), number(4));
    zc::scope tasks;
    for (int i = 0; i < 10; ++i) tasks.spawn(child());
    co_await tasks.join();
    co_return std::get<0>(both) + std::get<1>(both) + std::get<0>(first) + spawned;
  };
  CHECK(here.run(all()) == 16);
  CHECK(zc::detail::scheduler::current() == nullptr);
}

TEST_CASE("scheduler: an end inside a chain of 100 000 that complete asynchronously") {
  bare_scheduler here;
  struct recursion {
    static zc::task<int> down(bare_scheduler& in, int n) {
      if (n == 0) {
        co_await next_turn(in);
        co_return 0;
      }
      co_return 1 + co_await down(in, n - 1);
    }
  };
  CHECK(here.run(recursion::down(here, 100'000)) == 100'000);
}

TEST_CASE("scheduler: a frame that goes while it is ready is not resumed") {
  bare_scheduler here;
  bool resumed = false;
  const auto yielding = [&]() -> zc::task<> {
    co_await zc::yield();
    resumed = true;
  };
  class nobody final : public zc::detail::joiner {
    std::coroutine_handle<> child_done(zc::detail::promise_base&) noexcept override {
      return std::noop_coroutine();
    }
  };
  const auto all = [&]() -> zc::task<> {
    const zc::detail::environment env = co_await zc::detail::this_environment{};
    nobody parent;
    {
      zc::task<> ready = yielding();
      ready.promise().post_in(env, parent);  // in the ready queue
      co_await zc::yield();                  // and, having begun, in it again
      zc::task<> in_batch = yielding();
      in_batch.promise().post_in(env, parent);
    }
    co_await zc::yield();
    co_await zc::yield();
  };
  here.run(all());
  CHECK_FALSE(resumed);
}

TEST_CASE("scheduler: a frame that is ready may be destroyed by one that ran just before it") {
  bare_scheduler here;
  bool resumed = false;
  const auto yielding = [&]() -> zc::task<> {
    co_await zc::yield();
    resumed = true;
  };
  class nobody final : public zc::detail::joiner {
    std::coroutine_handle<> child_done(zc::detail::promise_base&) noexcept override {
      return std::noop_coroutine();
    }
  };
  const auto all = [&]() -> zc::task<> {
    const zc::detail::environment env = co_await zc::detail::this_environment{};
    nobody parent;
    zc::task<> victim = yielding();
    const auto killer = [&]() -> zc::task<> {
      victim = zc::task<>();
      co_return;
    };
    zc::scope tasks;
    tasks.spawn(killer());
    victim.promise().post_in(env, parent);  // behind the killer, in the same batch
    co_await tasks.join();
    co_await zc::yield();
  };
  here.run(all());
  CHECK_FALSE(resumed);
}

TEST_CASE("scheduler: a remote call runs on the scheduler's thread, once, or not when forgotten") {
  class call final : public zc::detail::remote_call {
   public:
    void run() noexcept override {
      ++runs;
      by = std::this_thread::get_id();
    }
    int runs = 0;
    std::thread::id by;
  };
  bare_scheduler here;
  call wanted;
  call forgotten;
  std::thread other([&] {
    here.post_remote(forgotten);
    here.post_remote(wanted);
    here.post_remote(wanted);
  });
  other.join();
  CHECK(here.wakes.load() == 2);
  here.forget_remote(forgotten);
  const auto once = []() -> zc::task<> { co_await zc::yield(); };
  here.run(once());
  CHECK(wanted.runs == 1);
  CHECK(wanted.by == std::this_thread::get_id());
  CHECK(forgotten.runs == 0);
}

TEST_CASE("fifo: keeps the order through append and remove") {
  struct entry {
    explicit entry(int number) : value(number) {}
    int value;
    entry* next = nullptr;
  };
  entry one(1);
  entry two(2);
  entry three(3);
  entry stranger(4);
  zc::detail::fifo<entry> a;
  zc::detail::fifo<entry> b;
  a.push(one);
  b.push(two);
  b.push(three);
  a.append(b);
  CHECK_FALSE(a.remove(stranger));
  CHECK(a.remove(three));
  a.push(three);
  CHECK(a.remove(one));
  CHECK(a.pop() == &two);
  CHECK(a.pop() == &three);
  CHECK(a.pop() == nullptr);
  CHECK(a.empty());
}

TEST_CASE("fifo: taking out 200 000 entries in their order is not quadratic") {
  struct entry {
    entry* next = nullptr;
  };
  std::vector<entry> entries(200'000);
  zc::detail::fifo<entry> all;
  for (entry& each : entries) all.push(each);
  const auto begun = std::chrono::steady_clock::now();
  std::size_t removed = 0;
  for (entry& each : entries) removed += all.remove(each) ? 1u : 0u;
  CHECK(removed == entries.size());
  CHECK(all.empty());
  // Milliseconds; with a step for each entry that is left it is minutes.
  CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds(5) * support::slowdown());
}

TEST_SUITE_END();
