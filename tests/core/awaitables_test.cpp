// Whatever can be awaited goes into every combinator: ops, timers, streams, a scope's join().

#include <doctest/doctest.h>
#include <poll.h>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "support/descriptors.hpp"
#include "zc/acceptor.hpp"
#include "zc/context.hpp"
#include "zc/op.hpp"
#include "zc/outcome.hpp"
#include "zc/recv_stream.hpp"
#include "zc/run_on.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"
#include "zc/when_any.hpp"
#include "zc/with_stop.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

TEST_CASE("timeout: an op, a stream, an acceptor, join() and yield()") {
  const support::ends pair = support::unix_pair();
  std::uint16_t port = 0;
  const zc::fd listener = support::tcp_listener(port);
  const auto body = [&]() -> zc::task<> {
    std::array<char, 8> bytes{};
    zc::result<std::size_t> got =
        co_await zc::timeout(3ms, zc::op::recv(pair.first.get(), bytes.data(), bytes.size(), 0));
    CHECK(got.error() == std::errc::timed_out);
    support::write_all(pair.second.get(), "abc");
    got = co_await zc::timeout(10s, zc::op::recv(pair.first.get(), bytes.data(), 8, 0));
    CHECK(got.value() == 3);

    zc::recv_stream stream(pair.first.get());
    CHECK((co_await zc::timeout(3ms, stream.next())).error() == std::errc::timed_out);
    support::write_all(pair.second.get(), "de");
    const zc::result<zc::received> piece = co_await zc::timeout(10s, stream.next());
    CHECK(piece.value().bytes().size() == 2);

    zc::acceptor connections(listener.get());
    CHECK((co_await zc::timeout(3ms, connections.next())).error() == std::errc::timed_out);

    zc::scope tasks;
    tasks.spawn(zc::sleep_for(1h));
    CHECK_THROWS_AS(co_await zc::timeout(3ms, tasks.join()), std::system_error);
    co_await zc::timeout(10s, zc::yield());
  };
  zc::run(body());
}

TEST_CASE("timeout: an op with a name is copied, and stays the caller's") {
  const support::ends pipe = support::make_pipe();
  const auto body = [&]() -> zc::task<> {
    zc::op::poll polling(pipe.first.get(), POLLIN);
    zc::task<zc::result<unsigned>> later = zc::timeout(3ms, polling);
    CHECK((co_await std::move(later)).error() == std::errc::timed_out);
    support::write_all(pipe.second.get(), "x");
    CHECK((co_await polling).has_value());
  };
  zc::run(body());
}

TEST_CASE("timeout: made now and awaited later, it owns the op") {
  const support::ends pair = support::unix_pair();
  support::write_all(pair.second.get(), "x");
  char byte = 0;
  const auto make = [&] { return zc::timeout(10s, zc::op::recv(pair.first.get(), &byte, 1, 0)); };
  zc::task<zc::result<std::size_t>> made = make();
  CHECK(zc::run(std::move(made)).value() == 1);
  CHECK(byte == 'x');
}

TEST_CASE("when_all, when_any: ops, beside tasks and in a vector") {
  const support::ends pair = support::unix_pair();
  support::write_all(pair.second.get(), "abc");
  const auto body = [&]() -> zc::task<> {
    std::array<char, 3> bytes{};
    const auto both = co_await zc::when_all(zc::op::recv(pair.first.get(), bytes.data(), 1, 0),
                                            zc::sleep_for(1ms), zc::op::nop());
    CHECK(std::get<0>(both).value() == 1);
    CHECK(std::get<2>(both).has_value());

    std::vector<zc::op::recv> reads;
    reads.emplace_back(pair.first.get(), &bytes[1], 1, 0);
    reads.emplace_back(pair.first.get(), &bytes[2], 1, 0);
    const std::vector<zc::result<std::size_t>> all = co_await zc::when_all(std::move(reads));
    REQUIRE(all.size() == 2);
    CHECK(all[0].value() == 1);
    CHECK(all[1].value() == 1);

    auto first = co_await zc::when_any(zc::op::poll(pair.first.get(), POLLIN), zc::sleep_for(2ms));
    REQUIRE(first.index() == 1);
    CHECK(std::get<0>(first.others)->error() == std::errc::operation_canceled);
  };
  zc::run(body());
}

TEST_CASE("with_stop: an op that is stopped is a result of ECANCELED") {
  const support::ends pipe = support::make_pipe();
  std::stop_source stop;
  stop.request_stop();
  const zc::result<unsigned> stopped =
      zc::run(zc::with_stop(stop.get_token(), zc::op::poll(pipe.first.get(), POLLIN)));
  CHECK(stopped.error() == std::errc::operation_canceled);
}

TEST_CASE("scope: an op is spawned, also for its value") {
  const support::ends pair = support::unix_pair();
  zc::result<std::size_t> sent = std::error_code(EIO, std::system_category());
  const auto body = [&]() -> zc::task<> {
    zc::scope tasks;
    tasks.spawn(zc::op::send(pair.first.get(), "ab", 2, 0));
    tasks.spawn(zc::into(sent, zc::op::send(pair.first.get(), "c", 1, 0)));
    co_await tasks.join();
  };
  zc::run(body());
  CHECK(sent.value() == 1);
  CHECK(support::read_some(pair.second.get(), 3) == "abc");
}

TEST_CASE("scope: spawn keeps a lambda that captures until its coroutine has ended") {
  std::vector<std::string> names;
  const auto held = std::make_shared<int>(0);
  const auto body = [&]() -> zc::task<> {
    zc::scope tasks;
    for (const char* each : {"a name that is long enough for the heap", "another one like that"}) {
      std::string name = each;
      tasks.spawn([name, held, &names]() -> zc::task<> {
        co_await zc::sleep_for(1ms);
        names.push_back(name);
      });
    }
    CHECK(held.use_count() == 3);
    co_await tasks.join();
    CHECK(held.use_count() == 1);
  };
  zc::run(body());
  CHECK(names == std::vector<std::string>{"a name that is long enough for the heap",
                                          "another one like that"});
}

TEST_CASE("scope: spawn of a callable: its value is dropped, what it throws is the scope's") {
  const auto body = []() -> zc::task<> {
    zc::scope tasks;
    tasks.spawn([]() -> zc::task<int> { co_return 1; });
    tasks.spawn([] { return zc::op::nop(); });
    co_await tasks.join();
    tasks.spawn([]() -> zc::task<> {
      throw std::runtime_error("on purpose");
      co_return;
    });
    CHECK_THROWS_WITH(co_await tasks.join(), "on purpose");
    tasks.spawn([]() -> zc::task<> { throw std::runtime_error("before it is a task"); });
  };
  zc::run(body());
}

TEST_CASE("scope: spawn copies a callable with a name, moves another, and refers by std::ref") {
  struct counting {
    int calls = 0;
    std::unique_ptr<int> only_moved = std::make_unique<int>(0);
    zc::task<> operator()() {
      co_await zc::yield();
      ++calls;
    }
  };
  const auto body = []() -> zc::task<> {
    counting mine;
    zc::scope tasks;
    tasks.spawn(std::ref(mine));
    tasks.spawn(std::ref(mine));
    counting moved;
    tasks.spawn(std::move(moved));
    const auto copied = []() -> zc::task<> { co_await zc::yield(); };
    tasks.spawn(copied);
    co_await tasks.join();
    CHECK(mine.calls == 2);
  };
  zc::run(body());
}

TEST_CASE("scope: a callable that never starts is freed") {
  const auto held = std::make_shared<int>(0);
  zc::scope tasks;
  CHECK_THROWS_AS(tasks.spawn([held]() -> zc::task<> { co_return; }), std::logic_error);
  CHECK(held.use_count() == 1);
}

TEST_CASE("context: spawn keeps a callable, and takes an op") {
  std::string seen;
  zc::context context;
  {
    std::string name = "a name that is long enough for the heap";
    context.spawn([name, &seen]() -> zc::task<> {
      co_await zc::sleep_for(1ms);
      seen = name;
    });
  }
  context.spawn(zc::op::nop());
  context.run(zc::sleep_for(10ms));
  CHECK(seen == "a name that is long enough for the heap");
}

TEST_CASE("run_on: a factory that is a coroutine itself lives as long as its tasks") {
  std::array<std::string, 2> seen;
  std::string name = "a name that is long enough for the heap";
  zc::run_on(2, [name, &seen](std::size_t index) -> zc::task<> {
    co_await zc::sleep_for(1ms);
    seen[index] = name;
  });
  CHECK(seen[0] == name);
  CHECK(seen[1] == name);
}

TEST_SUITE_END();
