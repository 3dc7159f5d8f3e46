// A loop that makes nothing of ECANCELED keeps its own task busy, and no other: what is awaited in
// a cancelled task goes round the loop once before it says so.

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <chrono>
#include <functional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "support/descriptors.hpp"
#include "zc/detail/event.hpp"
#include "zc/zc.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

namespace {

// A loop that nobody else is let in beside ends here, and the test fails.
constexpr int round_limit = 200'000;

struct awaited {
  const char* name;
  std::function<zc::task<>()> once;
};

/// Everything that can be awaited, and that says so where its task is cancelled.
class everything {
 public:
  std::vector<awaited> all() {
    const int quiet = sockets_.first.get();
    return {
        {"op", []() -> zc::task<> { (co_await zc::op::nop()).value(); }},
        {"accept",
         [this]() -> zc::task<> {
           const zc::result<zc::fd> one = co_await zc::op::accept(listener_.get());
           CHECK(one.error() == std::errc::operation_canceled);
         }},
        {"sleep_for", [] { return zc::sleep_for(1h); }},
        {"yield", []() -> zc::task<> { co_await zc::yield(); }},
        {"acceptor", [this]() -> zc::task<> { (co_await connections_.next()).value(); }},
        {"recv_stream", [this]() -> zc::task<> { (co_await stream_.next()).value(); }},
        {"signals", [this]() -> zc::task<> { co_await signals_.next(); }},
        {"resolve", []() -> zc::task<> { co_await zc::resolve(zc::host_port("localhost", 1)); }},
        {"connect",
         []() -> zc::task<> { co_await zc::connect(zc::address::parse("127.0.0.1:9")); }},
        {"serve",
         [this]() -> zc::task<> {
           const auto handle = [](zc::fd) -> zc::task<> { co_return; };
           co_await zc::serve(listener_.get(), handle);
         }},
        {"event",
         [this]() -> zc::task<> {
           const std::error_code error = co_await event_.wait();
           CHECK(error == std::errc::operation_canceled);
         }},
        {"try_splice",
         [=, this]() -> zc::task<> {
           const zc::transfer done = co_await zc::try_splice(quiet, out_.get());
           CHECK(done.reason == zc::stop_reason::cancelled);
         }},
        {"splice", [=, this]() -> zc::task<> { co_await zc::splice(quiet, out_.get()); }},
        {"a remainder",
         [this]() -> zc::task<> {
           zc::remainder some(std::make_unique<std::byte[]>(3), 0, 3);
           const zc::transfer done = co_await zc::try_splice(std::move(some), out_.get());
           CHECK(done.remainder.size() == 3);
         }},
        {"splice_batch",
         [=, this]() -> zc::task<> {
           const std::vector<zc::splice_job> jobs{{quiet, out_.get(), {}}};
           const std::vector<zc::transfer> done = co_await zc::splice_batch(jobs);
           CHECK(done.front().reason == zc::stop_reason::cancelled);
         }},
        {"splice_paths",
         []() -> zc::task<> {
           std::vector<zc::path_job> jobs(1);
           jobs.front().in = "/dev/zero";
           jobs.front().out = "/dev/null";
           const std::vector<zc::path_transfer> done = co_await zc::splice_paths(std::move(jobs));
           CHECK(done.front().reason == zc::stop_reason::cancelled);
         }},
        {"tee",
         [=, this]() -> zc::task<> {
           const std::vector<int> outs{out_.get(), other_.get()};
           const std::vector<zc::transfer> done = co_await zc::tee(quiet, outs);
           CHECK(done.front().reason == zc::stop_reason::cancelled);
         }},
        {"relay",
         [this]() -> zc::task<> {
           const zc::relay_result done =
               co_await zc::relay(sockets_.first.get(), more_.first.get());
           CHECK(done.a_to_b.reason == zc::stop_reason::cancelled);
         }},
        {"when_all", [] { return zc::when_all(std::vector<zc::task<>>()); }},
        {"when_any",
         []() -> zc::task<> { co_await zc::when_any(zc::sleep_for(1h), zc::sleep_for(2h)); }},
        {"timeout", [] { return zc::timeout(1h, zc::sleep_for(2h)); }},
        {"with_stop", [] { return zc::with_stop(std::stop_token(), zc::sleep_for(2h)); }},
        {"a scope's end",
         []() -> zc::task<> {
           zc::scope tasks;
           tasks.spawn(zc::sleep_for(1h));
           co_await zc::sleep_for(1h);
         }},
        {"join",
         []() -> zc::task<> {
           zc::scope tasks;
           tasks.spawn(zc::sleep_for(1h));
           co_await tasks.join();
         }},
    };
  }

 private:
  std::uint16_t port_ = 0;
  zc::fd listener_ = support::tcp_listener(port_);
  support::ends sockets_ = support::unix_pair(SOCK_NONBLOCK);
  support::ends more_ = support::unix_pair(SOCK_NONBLOCK);
  zc::fd out_ = support::empty_file();
  zc::fd other_ = support::empty_file();
  zc::signals signals_{SIGUSR2};
  zc::acceptor connections_{listener_.get()};
  zc::recv_stream stream_{sockets_.first.get()};
  zc::detail::event event_;
};

/// What a busy loop must not hold up: a timer, an op, turns of the loop.
zc::task<> live() {
  co_await zc::sleep_for(1ms);
  (co_await zc::op::nop()).value();
  for (int i = 0; i < 10; ++i) co_await zc::yield();
}

/// Awaits one thing again and again, whatever it says.
zc::task<> never_mind(const awaited& what, const bool& over, int& rounds) {
  while (!over && rounds < round_limit) {
    ++rounds;
    try {
      co_await what.once();
    } catch (const std::system_error& error) {
      CHECK(error.code() == std::errc::operation_canceled);
    }
  }
}

}  // namespace

TEST_CASE("cancel: a loop that ignores it holds nobody else up, whatever it awaits") {
  everything of;
  for (const awaited& each : of.all()) {
    CAPTURE(each.name);
    bool over = false;
    int rounds = 0;
    const auto beside = [&]() -> zc::task<> {
      zc::scope busy;
      busy.spawn(never_mind(each, over, rounds));
      busy.cancel();
      for (int i = 0; i < 3; ++i) co_await live();
      CHECK(rounds > 3);
      CHECK(rounds < round_limit);
      over = true;
      co_await busy.join();
    };
    zc::run(beside());
  }
}

TEST_CASE("timeout: of a loop that ignores it waits for its end, and the rest goes on") {
  std::uint16_t port = 0;
  const zc::fd listener = support::tcp_listener(port);
  int ignored = 0;
  const auto accepting = [&]() -> zc::task<int> {
    while (ignored < 100) {
      const zc::result<zc::fd> client = co_await zc::op::accept(listener.get());
      if (!client) ++ignored;
    }
    co_return ignored;
  };
  const auto limited = [&]() -> zc::task<> {
    // What the work returns is given back, also when it was cut short.
    CHECK(co_await zc::timeout(1ms, accepting()) == 100);
  };
  const auto all = [&]() -> zc::task<> {
    zc::scope tasks;
    tasks.spawn(limited());
    co_await live();
    co_await tasks.join();
  };
  zc::run(all());
  CHECK(ignored == 100);
}

TEST_CASE("scope: its end lets its tasks live beside one that ignores ECANCELED, and then ends") {
  int ignored = 0;
  int answered = 0;
  const support::ends sockets = support::unix_pair(SOCK_NONBLOCK);
  bool polite_has_ended = false;
  const auto stubborn = [&]() -> zc::task<> {
    while (!polite_has_ended && ignored < round_limit) {
      try {
        co_await zc::sleep_for(1h);
      } catch (const std::system_error&) {
        ++ignored;
      }
    }
  };
  // Ends later than its cancellation: what it awaits cannot be cancelled, and takes turns.
  const auto polite = [&]() -> zc::task<> {
    try {
      co_await zc::sleep_for(1h);
    } catch (const std::system_error&) {
    }
    for (int i = 0; i < 20; ++i) {
      const zc::result<void> closed = co_await zc::op::close(-1);
      if (!closed) ++answered;
    }
    polite_has_ended = true;
  };
  const auto owner = [&]() -> zc::task<> {
    zc::scope tasks;
    tasks.spawn(stubborn());
    tasks.spawn(polite());
    co_await zc::yield();
  };
  zc::run(owner());
  CHECK(answered == 20);
  CHECK(ignored > 0);
  CHECK(ignored < round_limit);
}

TEST_CASE("context: a spawned loop that ignores ECANCELED for a while lets the context's end end") {
  int ignored = 0;
  const auto stubborn = [&]() -> zc::task<> {
    while (ignored < 1000) {
      const zc::result<void> done = co_await zc::op::timeout(1h);
      if (!done) ++ignored;
    }
  };
  {
    zc::context context;
    context.spawn(stubborn());
    context.run(zc::sleep_for(1ms));
  }
  CHECK(ignored == 1000);
}

TEST_SUITE_END();
