#include "engine/off_thread.hpp"

#include <doctest/doctest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "engine/loop.hpp"
#include "support/process.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"
#include "zc/with_stop.hpp"
#include "zc/zc.hpp"

using namespace std::chrono_literals;
using zc::detail::off_thread;
using zc::detail::off_thread_signals;
using zc::detail::off_threads;

TEST_SUITE_BEGIN("kernel");

namespace {

constexpr std::size_t file_thread_limit = 2;

off_threads& threads_of(zc::context& context) {
  return zc::detail::loop::of(context).file_threads();
}

/// One call: `body(signals)`.
template <class Body>
zc::task<std::error_code> call(off_threads& by, Body body) {
  co_return co_await off_thread(by, body);
}

/// Lets calls wait inside until it is opened, on whatever thread.
class gate {
 public:
  void open() noexcept { open_ = true; }
  void pass() const noexcept {
    while (!open_) std::this_thread::sleep_for(1ms);
  }

 private:
  std::atomic<bool> open_{false};
};

/// Starts what nobody will hear the end of.
class nobody final : public zc::detail::joiner {
  std::coroutine_handle<> child_done(zc::detail::promise_base&) noexcept override {
    return std::noop_coroutine();
  }
};

/// Waits, on the context, until `reached` is true.
zc::task<> until(const std::atomic<bool>& reached) {
  while (!reached) co_await zc::sleep_for(1ms);
}

}  // namespace

TEST_CASE("off_thread: a call is made on another thread, by its name, and resumes on this one") {
  zc::context context;
  pthread_t there{};
  std::array<char, 16> name{};
  pthread_t resumed{};
  const auto body = [&](const off_thread_signals& signals) noexcept {
    there = pthread_self();
    pthread_getname_np(there, name.data(), name.size());
    if (signals.cancel_wanted() || signals.others_wait()) name[0] = '?';
  };
  const auto work = [&]() -> zc::task<> {
    CHECK_FALSE(co_await off_thread(threads_of(context), body));
    resumed = pthread_self();
  };
  context.run(work());
  CHECK(pthread_equal(there, pthread_self()) == 0);
  CHECK(std::string(name.data()) == "zc-files");
  CHECK(pthread_equal(resumed, pthread_self()) != 0);
}

TEST_CASE("off_thread: no signal is for its threads, and this one's mask stays as it was") {
  zc::context context;
  sigset_t there;
  sigemptyset(&there);
  const auto body = [&there](const off_thread_signals&) noexcept {
    pthread_sigmask(SIG_BLOCK, nullptr, &there);
  };
  CHECK_FALSE(context.run(call(threads_of(context), body)));
  for (const int each : {SIGINT, SIGTERM, SIGUSR1, SIGCHLD, SIGPIPE, SIGXFSZ, SIGALRM}) {
    CAPTURE(each);
    CHECK(sigismember(&there, each) == 1);
  }
  sigset_t here;
  pthread_sigmask(SIG_BLOCK, nullptr, &here);
  CHECK(sigismember(&here, SIGALRM) == 0);
}

TEST_CASE("off_thread: many calls are each made once, by no more threads than there may be") {
  zc::context context;
  const std::size_t before = support::user_threads();
  std::atomic<int> made{0};
  std::atomic<int> inside{0};
  std::atomic<int> most_inside{0};
  const auto body = [&](const off_thread_signals&) noexcept {
    const int now = ++inside;
    int most = most_inside;
    while (most < now && !most_inside.compare_exchange_weak(most, now)) {
    }
    ++made;
    --inside;
  };
  std::size_t threads = 0;
  const auto work = [&]() -> zc::task<> {
    std::vector<zc::task<std::error_code>> calls;
    for (int i = 0; i < 1000; ++i) calls.push_back(call(threads_of(context), body));
    const std::vector<std::error_code> ends = co_await zc::when_all(std::move(calls));
    for (const std::error_code& each : ends) CHECK_FALSE(each);
    threads = support::user_threads();
  };
  context.run(work());
  CHECK(made == 1000);
  CHECK(most_inside <= static_cast<int>(file_thread_limit));
  CHECK(threads > before);
  CHECK(threads <= before + file_thread_limit);
}

TEST_CASE("off_thread: a call that waits for a thread is taken back when it is cancelled") {
  zc::context context;
  gate shut;
  std::atomic<bool> was_made{false};
  const auto blocked = [&shut](const off_thread_signals&) noexcept { shut.pass(); };
  const auto never = [&was_made](const off_thread_signals&) noexcept { was_made = true; };
  std::error_code end;
  const auto one = [&]() -> zc::task<> { end = co_await off_thread(threads_of(context), never); };
  const auto work = [&]() -> zc::task<> {
    zc::scope others;
    for (std::size_t i = 0; i < file_thread_limit; ++i) {
      others.spawn(call(threads_of(context), blocked));
    }
    co_await zc::yield();
    try {
      co_await zc::timeout(20ms, one());
      CHECK(false);
    } catch (const std::system_error& error) {
      CHECK(error.code() == std::errc::timed_out);
    }
    shut.open();
    co_await others.join();
  };
  context.run(work());
  CHECK(end == std::errc::operation_canceled);
  CHECK_FALSE(was_made);
}

TEST_CASE("off_thread: a call that runs is told of a cancel, and awaited") {
  zc::context context;
  bool told = false;
  std::error_code end = std::make_error_code(std::errc::io_error);
  const auto body = [&told](const off_thread_signals& signals) noexcept {
    while (!signals.cancel_wanted()) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(20ms);
    told = true;
  };
  bool told_before_the_end = false;
  const auto one = [&]() -> zc::task<> {
    end = co_await off_thread(threads_of(context), body);
    told_before_the_end = told;
  };
  context.run(zc::timeout(20ms, one()));
  CHECK_FALSE(end);  // it was made: how far it came is its own to say
  CHECK(told_before_the_end);
}

TEST_CASE("off_thread: begun in a cancelled task, a call is not made") {
  zc::context context;
  std::stop_source stop;
  stop.request_stop();
  bool made = false;
  const auto body = [&made](const off_thread_signals&) noexcept { made = true; };
  std::error_code end;
  const auto one = [&]() -> zc::task<> { end = co_await off_thread(threads_of(context), body); };
  context.run(zc::with_stop(stop.get_token(), one()));
  CHECK(end == std::errc::operation_canceled);
  CHECK_FALSE(made);
}

TEST_CASE("off_thread: a frame that goes takes its call back, or waits for its end") {
  std::atomic<int> inside{0};
  std::atomic<int> ended{0};
  const auto body = [&](const off_thread_signals& signals) noexcept {
    ++inside;
    while (!signals.cancel_wanted()) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(5ms);
    ++ended;
  };
  zc::context context;
  const auto work = [&]() -> zc::task<> {
    const zc::detail::environment here = co_await zc::detail::this_environment{};
    for (const int turns : {0, 1, 20}) {
      CAPTURE(turns);
      inside = ended = 0;
      {
        nobody parent;
        std::vector<zc::task<std::error_code>> calls;
        for (int i = 0; i < 5; ++i) calls.push_back(call(threads_of(context), body));
        for (const auto& each : calls) each.promise().start_in(here, parent);
        for (int i = 0; i < turns; ++i) co_await zc::sleep_for(1ms);
      }
      CHECK(inside == ended);
    }
    // What was taken back and what was awaited is out of the way of what follows.
    const auto nothing = [](const off_thread_signals&) noexcept {};
    CHECK_FALSE(co_await call(threads_of(context), nothing));
  };
  context.run(work());
}

TEST_CASE("off_thread: a context that goes cancels and awaits what its threads do") {
  std::atomic<bool> began{false};
  std::atomic<bool> ended{false};
  const auto body = [&](const off_thread_signals& signals) noexcept {
    began = true;
    while (!signals.cancel_wanted()) std::this_thread::sleep_for(1ms);
    ended = true;
  };
  {
    zc::context context;
    context.spawn(call(threads_of(context), body));
    context.run(until(began));
    CHECK_FALSE(ended);
  }
  CHECK(ended);
}

TEST_CASE("off_thread: where no thread is to be had a call is refused, and not lost") {
  const auto body = [] {
    if (!support::become_nobody()) return 0;
    zc::context context;
    int made = 0;
    const auto count = [&made](const off_thread_signals&) noexcept { ++made; };
    const support::limit none(RLIMIT_NPROC, 0);
    const std::error_code end = context.run(call(threads_of(context), count));
    if (end != std::errc::resource_unavailable_try_again) return 1;
    return made == 0 ? 0 : 2;
  };
  CHECK(support::exited_with(support::in_child(body), 0));
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("slow");

TEST_CASE("off_thread: cancels that race the call's begin and end leave nothing behind") {
  zc::context context;
  std::atomic<long> made{0};
  long resumed = 0;
  const auto body = [&](const off_thread_signals&) noexcept { ++made; };
  const auto one = [&]() -> zc::task<> {
    if (!co_await off_thread(threads_of(context), body)) ++resumed;
  };
  for (int i = 0; i < 3000; ++i) {
    const auto work = [&]() -> zc::task<> {
      zc::scope scope;
      for (int each = 0; each < 5; ++each) scope.spawn(one());
      for (int turn = 0; turn < i % 7; ++turn) co_await zc::yield();
      co_await zc::sleep_for(std::chrono::microseconds(i % 50));
      // The scope goes, and with it what still runs.
    };
    context.run(work());
  }
  CHECK(made == resumed);
  CHECK(made > 0);
}

TEST_CASE("off_thread: threads that have nothing to do end, and new ones start") {
  zc::context context;
  const auto body = [](const off_thread_signals&) noexcept {};
  const std::size_t before = support::user_threads();
  CHECK_FALSE(context.run(call(threads_of(context), body)));
  CHECK(support::user_threads() > before);
  for (int i = 0; i < 600 && support::user_threads() > before; ++i) {
    std::this_thread::sleep_for(100ms);
  }
  CHECK(support::user_threads() == before);
  CHECK_FALSE(context.run(call(threads_of(context), body)));
}

TEST_SUITE_END();
