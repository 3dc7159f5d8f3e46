#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "zc/context.hpp"
#include "zc/event.hpp"
#include "zc/sleep.hpp"

using namespace std::chrono_literals;

TEST_SUITE_BEGIN("kernel");

TEST_CASE("post: callables of other threads run on the context's, each thread's in order") {
  constexpr int threads = 4;
  constexpr int calls = 500;
  zc::context here;
  std::vector<std::vector<int>> seen(threads);
  const std::thread::id home = std::this_thread::get_id();
  int elsewhere = 0;
  int left = threads * calls;
  zc::event all_called;
  const auto wait = [&]() -> zc::task<> { co_await all_called.wait(); };
  std::vector<std::thread> callers;
  for (int index = 0; index < threads; ++index) {
    callers.emplace_back([&, index] {
      for (int i = 0; i < calls; ++i) {
        here.post([&, index, i] {
          elsewhere += std::this_thread::get_id() != home;
          seen[static_cast<std::size_t>(index)].push_back(i);
          if (--left == 0) all_called.set();
        });
      }
    });
  }
  here.run(wait());
  for (std::thread& each : callers) each.join();
  CHECK(elsewhere == 0);
  for (const std::vector<int>& each : seen) {
    REQUIRE(each.size() == calls);
    for (int i = 0; i < calls; ++i) CHECK(each[static_cast<std::size_t>(i)] == i);
  }
}

TEST_CASE("post: wakes a context that sleeps; before a run it waits for that") {
  zc::context here;
  zc::event told;
  here.post([&] { told.set(); });
  CHECK(!told.is_set());
  const auto wait = [&]() -> zc::task<> { co_await told.wait(); };
  here.run(wait());
  told.reset();
  std::thread later([&] {
    std::this_thread::sleep_for(20ms);
    here.post([&] { told.set(); });
  });
  here.run(wait());
  later.join();
}

TEST_CASE("post: a coroutine is run to its end, and keeps what its lambda has captured") {
  zc::context here;
  zc::event done;
  auto value = std::make_unique<int>(7);
  int seen = 0;
  here.post([&, value = std::move(value)]() -> zc::task<> {
    co_await zc::sleep_for(1ms);
    seen = *value;
    done.set();
  });
  const auto wait = [&]() -> zc::task<> { co_await done.wait(); };
  here.run(wait());
  CHECK(seen == 7);
}

TEST_CASE("post: what a callable throws ends the run, which throws it") {
  zc::context here;
  here.post([] { throw std::runtime_error("on purpose"); });
  CHECK_THROWS_AS(here.run(zc::sleep_for(1h)), std::runtime_error);
  here.run(zc::sleep_for(0ms));
}

TEST_CASE("post: what no run has come to goes with the context, uncalled") {
  const auto value = std::make_shared<int>(1);
  bool called = false;
  {
    zc::context here;
    here.post([value, &called] { called = true; });
    CHECK(value.use_count() == 2);
  }
  CHECK(value.use_count() == 1);
  CHECK(!called);
}

TEST_SUITE_END();
