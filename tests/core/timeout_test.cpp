#include "zc/timeout.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <stdexcept>
#include <thread>

#include "support/descriptors.hpp"
#include "zc/context.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/splice.hpp"
#include "zc/when_all.hpp"
#include "zc/when_any.hpp"
#include "zc/with_stop.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

namespace {

zc::task<int> after(std::chrono::milliseconds delay, int value) {
  co_await zc::sleep_for(delay);
  co_return value;
}

zc::task<int> at_once(int value) { co_return value; }

/// What timeout(duration, work) threw; no error when it gave a value.
template <class T>
std::error_code error_of(zc::task<T> work) {
  try {
    static_cast<void>(zc::run(std::move(work)));
  } catch (const std::system_error& error) {
    return error.code();
  }
  return {};
}

}  // namespace

TEST_CASE("timeout: work that ends in time gives its value, and the deadline does not linger") {
  const auto begun = std::chrono::steady_clock::now();
  CHECK(zc::run(zc::timeout(1h, after(2ms, 7))) == 7);
  CHECK(std::chrono::steady_clock::now() - begun < 1min);
}

TEST_CASE("timeout: work that does not end in time is cancelled: ETIMEDOUT") {
  CHECK(error_of(zc::timeout(5ms, after(1h, 7))) == std::errc::timed_out);
  CHECK(error_of(zc::timeout(5ms, zc::sleep_for(1h))) == std::errc::timed_out);
}

TEST_CASE("timeout: at zero or less, work that has to wait times out and other work ends") {
  for (const std::chrono::nanoseconds each : {0ns, -1ns, std::chrono::nanoseconds(-1h)}) {
    CHECK(error_of(zc::timeout(each, after(1h, 7))) == std::errc::timed_out);
    CHECK(zc::run(zc::timeout(each, at_once(7))) == 7);
  }
}

TEST_CASE("timeout: work's own exception passes, in time and at the deadline") {
  const auto failing = []() -> zc::task<> {
    co_await zc::yield();
    throw std::runtime_error("own");
  };
  CHECK_THROWS_WITH_AS(zc::run(zc::timeout(1h, failing())), "own", std::runtime_error);
  const auto failing_late = []() -> zc::task<> {
    try {
      co_await zc::sleep_for(1h);
    } catch (const std::system_error&) {
      throw std::runtime_error("own, late");
    }
  };
  CHECK_THROWS_WITH_AS(zc::run(zc::timeout(2ms, failing_late())), "own, late", std::runtime_error);
}

TEST_CASE("timeout: of nested ones the nearer fires, whichever it is") {
  CHECK(error_of(zc::timeout(1h, zc::timeout(3ms, after(1h, 1)))) == std::errc::timed_out);
  CHECK(error_of(zc::timeout(3ms, zc::timeout(1h, after(1h, 1)))) == std::errc::timed_out);
  const auto catching = []() -> zc::task<int> {
    try {
      co_await zc::timeout(2ms, after(1h, 1));
    } catch (const std::system_error&) {
    }
    co_return co_await after(2ms, 5);  // the outer task goes on, uncancelled
  };
  CHECK(zc::run(zc::timeout(1h, catching())) == 5);
}

TEST_CASE("timeout: work that ended by itself keeps its value, though the deadline has passed") {
  const auto hold_up = []() -> zc::task<> {
    co_await zc::sleep_for(1ms);
    std::this_thread::sleep_for(60ms);  // now both timers below are over, in one turn of the loop
  };
  const auto race = [&](zc::task<int> work, int& value) -> zc::task<> {
    value = co_await zc::timeout(20ms, std::move(work));
  };
  const auto together = [&](zc::task<int> work) -> zc::task<int> {
    int value = 0;
    zc::scope both;
    both.spawn(race(std::move(work), value));
    both.spawn(hold_up());
    co_await both.join();
    co_return value;
  };
  CHECK(zc::run(together(after(21ms, 7))) == 7);
  // An inner deadline or a loser is cancelled then; that must not count as the work's own end.
  CHECK(zc::run(together(zc::timeout(1h, after(21ms, 8)))) == 8);
  const auto racing = []() -> zc::task<int> {
    const std::variant<std::monostate, int> first =
        co_await zc::when_any(zc::sleep_for(1h), after(21ms, 9));
    co_return std::get<1>(first);
  };
  CHECK(zc::run(together(racing())) == 9);
}

TEST_CASE("timeout: a cancellation from above is not a time-out") {
  std::stop_source stop;
  stop.request_stop();
  CHECK(error_of(zc::with_stop(stop.get_token(), zc::timeout(1h, after(1h, 1)))) ==
        std::errc::operation_canceled);
}

TEST_CASE("timeout: a transfer resumes with timed_out and its counts") {
  const support::ends from = support::unix_pair(SOCK_NONBLOCK);
  const support::ends to = support::unix_pair(SOCK_NONBLOCK);
  support::write_all(from.second.get(), support::bytes_at(0, 500));
  const zc::transfer done =
      zc::run(zc::timeout(50ms, zc::try_splice(from.first.get(), to.first.get())));
  CHECK(done.reason == zc::stop_reason::timed_out);
  CHECK(done.moved == 500);
  CHECK(done.taken == done.moved + done.remainder.size());
}

TEST_CASE("timeout: of several transfers those that the deadline cut short are timed_out") {
  const support::ends idle = support::unix_pair(SOCK_NONBLOCK);
  const support::ends to = support::unix_pair(SOCK_NONBLOCK);
  support::write_all(idle.second.get(), support::bytes_at(0, 500));
  const zc::fd file = support::file_of(1000);
  const zc::fd copy = support::empty_file();
  std::vector<zc::task<zc::transfer>> both;
  both.push_back(zc::try_splice(file.get(), copy.get()));
  both.push_back(zc::try_splice(idle.first.get(), to.first.get()));
  const std::vector<zc::transfer> done = zc::run(zc::timeout(50ms, zc::when_all(std::move(both))));
  REQUIRE(done.size() == 2);
  CHECK(done[0].reason == zc::stop_reason::complete);
  CHECK(done[0].moved == 1000);
  CHECK(done[1].reason == zc::stop_reason::timed_out);
  CHECK(done[1].moved == 500);
}

TEST_CASE("timeout: a cancellation that work for a transfer throws on is ETIMEDOUT too") {
  const auto never_begun = []() -> zc::task<zc::transfer> {
    co_await zc::sleep_for(1h);
    co_return zc::transfer();
  };
  CHECK(error_of(zc::timeout(5ms, never_begun())) == std::errc::timed_out);
  const auto failing = []() -> zc::task<zc::transfer> {
    co_await zc::yield();
    throw std::runtime_error("own");
  };
  CHECK_THROWS_WITH_AS(static_cast<void>(zc::run(zc::timeout(1h, failing()))), "own",
                       std::runtime_error);
}

TEST_CASE("timeout: splice throws a transfer_error ETIMEDOUT with its counts") {
  const support::ends from = support::unix_pair(SOCK_NONBLOCK);
  const support::ends to = support::unix_pair(SOCK_NONBLOCK);
  support::write_all(from.second.get(), support::bytes_at(0, 500));
  std::uint64_t moved = 0;
  std::error_code code;
  try {
    zc::run(zc::timeout(50ms, zc::splice(from.first.get(), to.first.get())));
  } catch (const zc::transfer_error& error) {
    moved = error.moved();
    code = error.code();
  }
  CHECK(code == std::errc::timed_out);
  CHECK(moved == 500);
}

TEST_SUITE_END();
