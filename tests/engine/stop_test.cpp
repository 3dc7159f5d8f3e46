// context::stop(): heard by the run that is going on, or else by the next one.

#include <doctest/doctest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "support/descriptors.hpp"
#include "zc/zc.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

namespace {

/// Whether the first await of a run hears of a stop.
bool hears_at_once(zc::context& context) {
  bool heard = false;
  const auto one_op = [&]() -> zc::task<> {
    const zc::result<void> done = co_await zc::op::nop();
    heard = done.error() == std::errc::operation_canceled;
  };
  context.run(one_op());
  return heard;
}

// Set around a test that stops a context from a signal handler.
zc::context* to_stop = nullptr;
int errno_afterwards = 0;
extern "C" void stop_and_look(int) {
  errno = EDOM;
  to_stop->stop();
  errno_afterwards = errno;
}

/// Of the eventfds of this process, the newest.
int newest_eventfd() {
  int newest = -1;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto what = std::filesystem::read_symlink(each.path(), gone);
    if (what == "anon_inode:[eventfd]") {
      newest = std::max(newest, std::stoi(each.path().filename().string()));
    }
  }
  return newest;
}

}  // namespace

TEST_CASE("stop: before a run, new or not, it is heard by the first await") {
  zc::context context;
  for (int i = 0; i < 3; ++i) {
    context.stop();
    CHECK(hears_at_once(context));
    CHECK_FALSE(hears_at_once(context));
  }
}

TEST_CASE("stop: in a run that awaits nothing any more, it is for the next one") {
  zc::context context;
  const auto stopping_at_the_end = [&]() -> zc::task<> {
    co_await zc::yield();
    context.stop();
  };
  const auto stopping_before_a_value = [&]() -> zc::task<int> {
    context.stop();
    co_return 7;
  };
  context.run(stopping_at_the_end());
  CHECK(hears_at_once(context));
  CHECK_FALSE(hears_at_once(context));
  CHECK(context.run(stopping_before_a_value()) == 7);
  CHECK(hears_at_once(context));
  CHECK_FALSE(hears_at_once(context));
}

TEST_CASE("stop: before a run that awaits nothing, it is for the one after it") {
  zc::context context;
  const auto nothing = []() -> zc::task<int> { co_return 7; };
  context.stop();
  CHECK(context.run(nothing()) == 7);
  CHECK(hears_at_once(context));
  CHECK_FALSE(hears_at_once(context));
}

TEST_CASE("stop: once more, while a run winds down, it is not for the next one") {
  zc::context context;
  const auto winding_down = [&]() -> zc::task<> {
    context.stop();
    CHECK_THROWS_AS(co_await zc::sleep_for(1h), std::system_error);
    context.stop();
    CHECK_THROWS_AS(co_await zc::sleep_for(1h), std::system_error);
    context.stop();
  };
  context.run(winding_down());
  CHECK_FALSE(hears_at_once(context));
}

TEST_CASE("stop: whatever a run makes of it, a batch say, has heard it") {
  zc::context context;
  const support::ends quiet = support::unix_pair(SOCK_NONBLOCK);
  const zc::fd out = support::empty_file();
  for (const bool before : {true, false}) {
    CAPTURE(before);
    const auto stopping = [&]() -> zc::task<> {
      co_await zc::yield();
      context.stop();
      co_await zc::sleep_for(1h);
    };
    const std::vector<zc::splice_job> jobs{{quiet.first.get(), out.get(), {}}};
    if (before) {
      context.stop();
      const std::vector<zc::transfer> done = context.run(zc::splice_batch(jobs));
      CHECK(done.front().reason == zc::stop_reason::cancelled);
    } else {
      CHECK_THROWS_AS(context.run(zc::when_all(zc::splice_batch(jobs), stopping())),
                      std::system_error);
    }
    CHECK_FALSE(hears_at_once(context));
  }
}

TEST_CASE("stop: each of 3000 from another thread is heard by one run, and by no second one") {
  constexpr int stops = 3000;
  zc::context context;
  std::atomic<int> heard{0};
  std::atomic<int> sent{0};
  // The next one comes when the last has been heard, at some moment of a run or between two.
  std::thread other([&] {
    for (int i = 1; i <= stops; ++i) {
      for (volatile int delay = i * 7919 % 5000; delay > 0;) delay = delay - 1;
      sent = i;
      context.stop();
      while (heard < i) std::this_thread::yield();
    }
  });
  const auto two_ops = [&]() -> zc::task<bool> {
    bool cut = false;
    for (int i = 0; i < 2; ++i) {
      const zc::result<void> done = co_await zc::op::nop();
      cut = cut || done.error() == std::errc::operation_canceled;
    }
    co_return cut;
  };
  const auto end = std::chrono::steady_clock::now() + 60s;
  int too_early = 0;
  while (heard < stops && std::chrono::steady_clock::now() < end) {
    if (!context.run(two_ops())) continue;
    if (sent <= heard) ++too_early;
    ++heard;
  }
  const int lost = stops - heard;
  heard = stops;
  other.join();
  CHECK(lost == 0);
  CHECK(too_early == 0);
  CHECK_FALSE(hears_at_once(context));
}

TEST_CASE("stop: in a signal handler it leaves errno alone, also where the wake-up fails") {
  zc::context context;
  const int wake = newest_eventfd();
  REQUIRE(wake >= 0);
  // Full: what is written to it now fails with EAGAIN.
  const std::uint64_t most = UINT64_MAX - 1;
  REQUIRE(::write(wake, &most, sizeof most) == sizeof most);
  to_stop = &context;
  const auto old = ::signal(SIGUSR1, stop_and_look);
  errno = 0;
  ::raise(SIGUSR1);
  ::signal(SIGUSR1, old);
  to_stop = nullptr;
  CHECK(errno_afterwards == EDOM);
  CHECK(hears_at_once(context));
}

TEST_SUITE_END();
