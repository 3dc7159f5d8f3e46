#include "zc/serve.hpp"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <chrono>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "zc/context.hpp"
#include "zc/op/connect.hpp"
#include "zc/op/recv.hpp"
#include "zc/op/send.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/with_stop.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;
using support::tcp_listener;

namespace {

/// A server on loopback, and what its watch heard.
struct site {
  site() : listener(tcp_listener(port)) {}

  std::uint16_t port = 0;
  zc::fd listener;
  std::stop_source stop;
  std::vector<zc::serve_notice> heard;

  /// The events' names in a row.
  std::string events() const {
    std::string all;
    for (const zc::serve_notice& each : heard) all += zc::to_string(each.event) + std::string(" ");
    return all;
  }

  /// serve() with this site's stop and watch.
  template <class Handler>
  zc::task<> serve(Handler handler, zc::serve_options options = {}) {
    const auto watch = [this](const zc::serve_notice& what) { heard.push_back(what); };
    co_await zc::serve(listener.get(), handler, stop.get_token(), options, watch);
  }
};

zc::task<> connect_to(std::uint16_t port, int socket) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
  (co_await zc::op::connect(socket, generic, sizeof address)).value();
}

zc::task<zc::fd> connect_to(std::uint16_t port) {
  zc::fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  co_await connect_to(port, client.get());
  co_return client;
}

/// The next byte of a stream, or -1 at its end.
zc::task<int> next_byte(int socket) {
  char byte = 0;
  const zc::result<std::size_t> got = co_await zc::op::recv(socket, &byte, 1);
  co_return got.value() == 0 ? -1 : byte;
}

zc::task<> send_byte(int socket, char byte) {
  const zc::result<std::size_t> sent = co_await zc::op::send(socket, &byte, 1);
  CHECK(sent.value() == 1);
}

/// Answers every byte with the next letter, until the client has said its last.
zc::task<> answer(zc::fd client) {
  for (int got = 0; (got = co_await next_byte(client.get())) >= 0;) {
    co_await send_byte(client.get(), static_cast<char>(got + 1));
  }
}

/// Runs a server and what its clients do, for at most 20 s.
void run_both(zc::task<> serving, zc::task<> clients) {
  const auto both = [&]() -> zc::task<> {
    zc::scope all;
    all.spawn(std::move(serving));
    all.spawn(std::move(clients));
    co_await all.join();
  };
  zc::run(zc::timeout(20s * support::slowdown(), both()));
}

}  // namespace

TEST_CASE("serve: every connection has its handler, all at once, until it is asked to stop") {
  site here;
  const auto clients = [&]() -> zc::task<> {
    std::vector<zc::fd> all;
    for (int i = 0; i < 50; ++i) all.push_back(co_await connect_to(here.port));
    for (const zc::fd& each : all) co_await send_byte(each.get(), 'a');
    for (const zc::fd& each : all) CHECK(co_await next_byte(each.get()) == 'b');
    here.stop.request_stop();
    // Those that run go on.
    for (const zc::fd& each : all) co_await send_byte(each.get(), 'b');
    for (const zc::fd& each : all) CHECK(co_await next_byte(each.get()) == 'c');
  };
  run_both(here.serve(answer), clients());
  REQUIRE(here.events() == "draining ");
  CHECK(here.heard[0].connections == 50);
}

TEST_CASE("serve: accepted sockets are non-blocking, close-on-exec, and the handler's own") {
  site here;
  int status = 0;
  int descriptor_flags = 0;
  const auto look = [&](zc::fd client) -> zc::task<> {
    status = ::fcntl(client.get(), F_GETFL);
    descriptor_flags = ::fcntl(client.get(), F_GETFD);
    co_return;
  };
  const auto clients = [&]() -> zc::task<> {
    const zc::fd one = co_await connect_to(here.port);
    CHECK(co_await next_byte(one.get()) == -1);  // the handler let go of it
    here.stop.request_stop();
  };
  run_both(here.serve(look), clients());
  CHECK((status & O_NONBLOCK) != 0);
  CHECK((descriptor_flags & FD_CLOEXEC) != 0);
}

TEST_CASE("serve: at its limit it accepts no more, and goes on when a connection has ended") {
  site here;
  const auto clients = [&]() -> zc::task<> {
    zc::fd first = co_await connect_to(here.port);
    const zc::fd second = co_await connect_to(here.port);
    const zc::fd third = co_await connect_to(here.port);  // by the kernel, into the backlog
    for (const int each : {first.get(), second.get(), third.get()}) co_await send_byte(each, 'a');
    CHECK(co_await next_byte(first.get()) == 'b');
    CHECK(co_await next_byte(second.get()) == 'b');
    bool answered = false;
    const auto wait = [&]() -> zc::task<> {
      CHECK(co_await next_byte(third.get()) == 'b');
      answered = true;
    };
    zc::scope beside;
    beside.spawn(wait());
    co_await zc::sleep_for(50ms);
    CHECK_FALSE(answered);
    first = {};
    co_await beside.join();
    CHECK(answered);
    here.stop.request_stop();
  };
  run_both(here.serve(answer, {.connections = 2}), clients());
  REQUIRE(here.events() == "full accepting full draining ");
  CHECK(here.heard[0].connections == 2);
}

TEST_CASE("serve: what is not done within the grace is cancelled") {
  site here;
  bool cancelled = false;
  const auto stall = [&](zc::fd client) -> zc::task<> {
    try {
      co_await next_byte(client.get());
    } catch (const std::system_error& error) {
      cancelled = error.code() == std::errc::operation_canceled;
      throw;
    }
  };
  const auto clients = [&]() -> zc::task<> {
    const zc::fd one = co_await connect_to(here.port);
    co_await zc::sleep_for(20ms);
    here.stop.request_stop();
    CHECK(co_await next_byte(one.get()) == -1);
  };
  run_both(here.serve(stall, {.grace = 30ms}), clients());
  CHECK(cancelled);
  CHECK(here.events() == "draining cancelling ");
}

TEST_CASE("serve: a handler that ends because of the stop is no error") {
  site here;
  const auto until_stop = [&](zc::fd client) -> zc::task<> {
    co_await zc::with_stop(here.stop.get_token(), next_byte(client.get()));
  };
  const auto clients = [&]() -> zc::task<> {
    const zc::fd one = co_await connect_to(here.port);
    co_await zc::sleep_for(20ms);
    here.stop.request_stop();
    CHECK(co_await next_byte(one.get()) == -1);
  };
  run_both(here.serve(until_stop, {.grace = 1h}), clients());
  CHECK(here.events() == "draining ");
}

TEST_CASE("serve: a stop from another thread ends it") {
  site here;
  std::thread other([&] {
    std::this_thread::sleep_for(10ms);
    here.stop.request_stop();
  });
  zc::run(zc::timeout(20s, here.serve(answer)));
  other.join();
  CHECK(here.events() == "draining ");
}

TEST_CASE("serve: an exception out of a handler cancels the others and is thrown") {
  site here;
  const auto handler = [&](zc::fd client) -> zc::task<> {
    if (co_await next_byte(client.get()) == 'x') throw std::runtime_error("no such letter");
    co_await next_byte(client.get());
  };
  const auto clients = [&]() -> zc::task<> {
    const zc::fd calm = co_await connect_to(here.port);
    co_await send_byte(calm.get(), 'a');
    const zc::fd bad = co_await connect_to(here.port);
    co_await send_byte(bad.get(), 'x');
    CHECK(co_await next_byte(calm.get()) == -1);
  };
  CHECK_THROWS_WITH_AS(run_both(here.serve(handler), clients()), "no such letter",
                       std::runtime_error);
}

TEST_CASE("serve: cancelling it cancels every connection, whatever the grace") {
  site here;
  const auto clients = [&]() -> zc::task<> {
    const zc::fd one = co_await connect_to(here.port);
    CHECK(co_await next_byte(one.get()) == -1);
  };
  const auto both = [&]() -> zc::task<> {
    zc::scope peers;
    peers.spawn(clients());
    CHECK_THROWS_AS(
        co_await zc::timeout(500ms * support::slowdown(), here.serve(answer, {.grace = 1h})),
        std::system_error);
    co_await peers.join();
  };
  zc::run(zc::timeout(20s, both()));
  CHECK(here.heard.empty());
}

TEST_CASE("serve: what is no listener, and a limit of none, is an error") {
  const auto serve = [](int what, zc::serve_options options = {}) {
    zc::run(zc::timeout(20s, zc::serve(what, answer, {}, options)));
  };
  CHECK_THROWS_AS(serve(-1), std::system_error);
  const support::ends pipe = support::make_pipe();
  CHECK_THROWS_AS(serve(pipe.first.get()), std::system_error);
  const zc::fd idle(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK_THROWS_AS(serve(idle.get()), std::system_error);
  const site here;
  CHECK_THROWS_AS(serve(here.listener.get(), {.connections = 0}), std::system_error);
}

TEST_CASE("serve: without descriptors left it pauses, says so, and goes on when there are some") {
  site here;
  const auto clients = [&]() -> zc::task<> {
    const zc::fd first = co_await connect_to(here.port);
    co_await send_byte(first.get(), 'a');
    CHECK(co_await next_byte(first.get()) == 'b');
    const zc::fd second(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const zc::fd third(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int lowest_free = zc::fd(::dup(third.get())).get();
    REQUIRE(lowest_free > third.get());
    {
      const support::limit none_left(RLIMIT_NOFILE, static_cast<rlim_t>(lowest_free));
      // One of them may still be accepted: an op that waits goes by the limit of when it began.
      for (const zc::fd* each : {&second, &third}) {
        co_await connect_to(here.port, each->get());
        co_await send_byte(each->get(), 'a');
      }
      while (here.heard.empty()) co_await zc::sleep_for(1ms);
      // Those that are connected notice nothing.
      co_await send_byte(first.get(), 'b');
      CHECK(co_await next_byte(first.get()) == 'c');
    }
    CHECK(co_await next_byte(second.get()) == 'b');
    CHECK(co_await next_byte(third.get()) == 'b');
    here.stop.request_stop();
  };
  run_both(here.serve(answer), clients());
  REQUIRE(here.events() == "exhausted accepting draining ");
  CHECK(here.heard[0].error == std::errc::too_many_files_open);
}

TEST_CASE("serve: without memory to start a handler it closes that connection, and goes on") {
  site here;
  int calls = 0;
  const auto handler = [&](zc::fd client) -> zc::task<> {
    if (++calls == 1) throw std::bad_alloc();  // as does a frame that is not to be had
    return answer(std::move(client));
  };
  const auto clients = [&]() -> zc::task<> {
    const zc::fd refused = co_await connect_to(here.port);
    CHECK(co_await next_byte(refused.get()) == -1);
    const zc::fd served = co_await connect_to(here.port);
    co_await send_byte(served.get(), 'a');
    CHECK(co_await next_byte(served.get()) == 'b');
    here.stop.request_stop();
  };
  run_both(here.serve(handler), clients());
  REQUIRE(here.events() == "exhausted accepting draining ");
  CHECK(here.heard[0].error == std::errc::not_enough_memory);
  CHECK(here.heard[0].connections == 0);
}

TEST_CASE("serve: its events have names") {
  using enum zc::serve_event;
  for (const zc::serve_event each : {full, exhausted, accepting, draining, cancelling, failing}) {
    CHECK(std::string(zc::to_string(each)) != "unknown");
  }
}
