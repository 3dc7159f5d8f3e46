// serve() where accept(2), or what a connection needs besides, is not to be had for a while.

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <liburing.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "support/sanitizers.hpp"
#include "support/scripted_kernel.hpp"
#include "zc/context.hpp"
#include "zc/op/recv.hpp"
#include "zc/op/send.hpp"
#include "zc/scope.hpp"
#include "zc/serve.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using namespace std::chrono_literals;
using support::fault;

/// A server on loopback, and what its watch heard.
struct site {
  std::uint16_t port = 0;
  zc::fd listener = support::tcp_listener(port);
  std::stop_source stop;
  std::vector<zc::serve_notice> heard;

  /// The events' names in a row.
  std::string events() const {
    std::string all;
    for (const zc::serve_notice& each : heard) all += zc::to_string(each.event) + std::string(" ");
    return all;
  }

  /// A client that the kernel has connected, and that has said a byte.
  zc::fd client() const {
    zc::fd made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(made.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    support::write_all(made.get(), "a");
    return made;
  }

  auto watch() {
    return [this](const zc::serve_notice& what) { heard.push_back(what); };
  }
};

zc::task<int> next_byte(int socket) {
  char byte = 0;
  const zc::result<std::size_t> got = co_await zc::op::recv(socket, &byte, 1);
  co_return got.value() == 0 ? -1 : byte;
}

/// Answers every byte with the next letter, until the client has said its last.
zc::task<> answer(zc::fd client) {
  for (int got = 0; (got = co_await next_byte(client.get())) >= 0;) {
    const char next = static_cast<char>(got + 1);
    (co_await zc::op::send(client.get(), &next, 1)).value();
  }
}

zc::task<> both(zc::task<> serving, zc::task<> clients) {
  zc::scope all;
  all.spawn(std::move(serving));
  all.spawn(std::move(clients));
  co_await all.join();
}

/// Runs a server and what its clients do, for at most 20 s.
void run_both(zc::context& on, zc::task<> serving, zc::task<> clients) {
  on.run(zc::timeout(20s * support::slowdown(), both(std::move(serving), std::move(clients))));
}

}  // namespace

// UBSan looks at objects through a pipe: without a descriptor for that it finds fault with all.
#ifndef ZC_TEST_ASAN

namespace {

/// A descriptor that stands for another.
zc::fd spare() {
  zc::fd made(::dup(STDIN_FILENO));
  if (!made) throw std::system_error(errno, std::system_category(), "dup");
  return made;
}

}  // namespace

TEST_CASE("serve: who needs two descriptors is accepted when there are two, and has both") {
  for (const int left : {2, 3, 4, 5}) {
    CAPTURE(left);
    site here;
    zc::context context;
    int lacking = 0;
    std::vector<zc::fd> clients;
    for (int i = 0; i < 6; ++i) clients.push_back(here.client());
    const auto handler = [&](zc::fd client, zc::fd held) -> zc::task<> {
      co_await zc::yield();  // whatever comes before the second is opened
      held = {};
      const zc::fd second(::dup(client.get()));
      if (!second) ++lacking;
      co_await answer(std::move(client));
    };
    const auto play = [&]() -> zc::task<> {
      for (zc::fd& each : clients) {
        CHECK(co_await next_byte(each.get()) == 'b');
        each = {};
      }
      here.stop.request_stop();
    };
    const auto all = [&]() -> zc::task<> {
      const int lowest_free = zc::fd(::dup(STDIN_FILENO)).get();
      const support::limit few(RLIMIT_NOFILE, static_cast<rlim_t>(lowest_free + left));
      co_await both(
          zc::serve(here.listener.get(), spare, handler, here.stop.get_token(), {}, here.watch()),
          play());
    };
    context.run(zc::timeout(20s * support::slowdown(), all()));
    CHECK(lacking == 0);
    REQUIRE(here.events().starts_with("exhausted accepting "));
    CHECK(here.heard[0].error == std::errc::too_many_files_open);
  }
}

#endif

TEST_CASE("serve: where prepare() lacks something for a while, clients wait") {
  site here;
  zc::context context;
  const zc::fd client = here.client();
  int calls = 0;
  const auto prepare = [&] {
    if (++calls == 1) throw std::system_error(ENFILE, std::system_category(), "socket");
    if (calls == 2) throw std::bad_alloc();
    return 7;
  };
  int got = 0;
  const auto handler = [&](zc::fd one, int prepared) -> zc::task<> {
    got = prepared;
    co_await answer(std::move(one));
  };
  const auto play = [&]() -> zc::task<> {
    CHECK(co_await next_byte(client.get()) == 'b');
    here.stop.request_stop();
    ::shutdown(client.get(), SHUT_WR);
  };
  run_both(
      context,
      zc::serve(here.listener.get(), prepare, handler, here.stop.get_token(), {}, here.watch()),
      play());
  CHECK(got == 7);
  REQUIRE(here.events() == "exhausted accepting draining ");
  CHECK(here.heard[0].error == std::errc::too_many_files_open_in_system);
}

TEST_CASE("serve: whatever else prepare() throws is thrown") {
  site here;
  const auto wrong = []() -> int { throw std::runtime_error("no such thing"); };
  const auto refused = []() -> int {
    throw std::system_error(EACCES, std::system_category(), "socket");
  };
  const auto handler = [](zc::fd, int) -> zc::task<> { co_return; };
  CHECK_THROWS_AS(zc::run(zc::timeout(20s, zc::serve(here.listener.get(), wrong, handler))),
                  std::runtime_error);
  CHECK_THROWS_AS(zc::run(zc::timeout(20s, zc::serve(here.listener.get(), refused, handler))),
                  std::system_error);
}

TEST_CASE("serve: what prepare() gave is held for no one while no connection is accepted") {
  site here;
  zc::context context;
  zc::fd first = here.client();
  const zc::fd second = here.client();
  int alive = 0;
  const auto prepare = [&] {
    ++alive;
    std::shared_ptr<int> made(new int(0), [&](const int* gone) {
      --alive;
      delete gone;
    });
    return made;
  };
  const auto handler = [&](zc::fd client, std::shared_ptr<int> /*held*/) -> zc::task<> {
    co_await answer(std::move(client));
  };
  const auto play = [&]() -> zc::task<> {
    CHECK(co_await next_byte(first.get()) == 'b');
    co_await zc::sleep_for(10ms);
    CHECK(alive == 1);  // the first one's: another one may not be accepted
    first = {};
    CHECK(co_await next_byte(second.get()) == 'b');
    here.stop.request_stop();
    co_await zc::sleep_for(10ms);
    CHECK(alive == 1);
    ::shutdown(second.get(), SHUT_WR);
  };
  run_both(context,
           zc::serve(here.listener.get(), prepare, handler, here.stop.get_token(),
                     {.connections = 1}, here.watch()),
           play());
  CHECK(alive == 0);
}

TEST_CASE("serve: an error of accept that stays keeps no thread busy, and is said") {
  for (const int error : {EPERM, ECONNABORTED, EPROTO}) {
    CAPTURE(error);
    site here;
    zc::context context;
    support::scripted_kernel kernel(
        fault{.what = fault::kind::error, .error = error, .times = 9, .opcode = IORING_OP_ACCEPT});
    kernel.stand_before(context);
    const zc::fd client = here.client();
    const auto began = std::chrono::steady_clock::now();
    const auto play = [&]() -> zc::task<> {
      CHECK(co_await next_byte(client.get()) == 'b');
      here.stop.request_stop();
      ::shutdown(client.get(), SHUT_WR);
    };
    run_both(context,
             zc::serve(here.listener.get(), answer, here.stop.get_token(), {}, here.watch()),
             play());
    CHECK(kernel.met());
    // 1 ms after the second, doubled from one to the next.
    CHECK(std::chrono::steady_clock::now() - began >= 200ms);
    REQUIRE(here.events() == "failing accepting draining ");
    CHECK(here.heard[0].error.value() == error);
  }
}

TEST_CASE("serve: an accept that others were quicker than for too long is made again") {
  site here;
  zc::context context;
  support::scripted_kernel kernel(
      fault{.what = fault::kind::error, .error = EAGAIN, .times = 20, .opcode = IORING_OP_ACCEPT});
  kernel.stand_before(context);
  const zc::fd client = here.client();
  const auto play = [&]() -> zc::task<> {
    CHECK(co_await next_byte(client.get()) == 'b');
    here.stop.request_stop();
    ::shutdown(client.get(), SHUT_WR);
  };
  run_both(context, zc::serve(here.listener.get(), answer, here.stop.get_token(), {}, here.watch()),
           play());
  CHECK(kernel.met());
  CHECK(here.events() == "draining ");
}

TEST_CASE("serve: where there is no memory for a handler, the next is tried after a pause") {
  site here;
  zc::context context;
  std::vector<zc::fd> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(here.client());
  int calls = 0;
  const auto handler = [&](zc::fd client) -> zc::task<> {
    if (++calls < 4) throw std::bad_alloc();
    return answer(std::move(client));
  };
  const auto began = std::chrono::steady_clock::now();
  const auto play = [&]() -> zc::task<> {
    CHECK(co_await next_byte(clients.back().get()) == 'b');
    here.stop.request_stop();
    ::shutdown(clients.back().get(), SHUT_WR);
  };
  run_both(context,
           zc::serve(here.listener.get(), handler, here.stop.get_token(), {}, here.watch()),
           play());
  CHECK(calls == 4);
  CHECK(std::chrono::steady_clock::now() - began >= 290ms);  // three pauses of 100
  REQUIRE(here.events() == "exhausted accepting draining ");
  CHECK(here.heard[0].error == std::errc::not_enough_memory);
}

TEST_CASE("serve: an error of one connection alone delays nobody") {
  site here;
  zc::context context;
  support::scripted_kernel kernel(
      fault{.what = fault::kind::error, .error = EPERM, .opcode = IORING_OP_ACCEPT});
  kernel.stand_before(context);
  const zc::fd client = here.client();
  const auto play = [&]() -> zc::task<> {
    CHECK(co_await next_byte(client.get()) == 'b');
    here.stop.request_stop();
    ::shutdown(client.get(), SHUT_WR);
  };
  run_both(context, zc::serve(here.listener.get(), answer, here.stop.get_token(), {}, here.watch()),
           play());
  CHECK(kernel.met());
  CHECK(here.events() == "draining ");
}

TEST_SUITE_END();
