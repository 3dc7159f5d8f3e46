#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>

#include <deque>
#include <stop_token>
#include <string>
#include <thread>

#include "support/descriptors.hpp"
#include "zc/connect.hpp"
#include "zc/context.hpp"
#include "zc/op/recv.hpp"
#include "zc/op/send.hpp"
#include "zc/run_on.hpp"
#include "zc/serve.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

zc::task<> echo_bytes(zc::fd client) {
  char byte = 0;
  for (;;) {
    const zc::result<std::size_t> got = co_await zc::op::recv(client.get(), &byte, 1);
    if (!got || *got == 0) co_return;
    (co_await zc::op::send(client.get(), &byte, 1)).value();
  }
}

bool answers_within(int client, int milliseconds) {
  pollfd one{client, POLLIN, 0};
  return ::poll(&one, 1, milliseconds) == 1;
}

}  // namespace

TEST_CASE("serve: calls on several threads may share a listener, and their limits add up") {
  for (const bool nonblocking : {false, true}) {
    CAPTURE(nonblocking);
    std::uint16_t port = 0;
    const zc::fd listener = support::tcp_listener(port);
    support::set_nonblocking(listener.get(), nonblocking);
    const zc::address where = zc::local_address(listener.get());
    std::stop_source stop;
    const auto serve = [&](std::size_t) {
      return zc::serve(listener.get(), echo_bytes, stop.get_token(), {.connections = 2});
    };
    std::jthread serving([&] { zc::run_on(2, serve); });
    std::deque<zc::fd> clients;
    const auto add = [&] {
      clients.push_back(zc::run(zc::connect(where)));
      support::write_all(clients.back().get(), "x");
    };
    for (int i = 0; i < 4; ++i) {
      add();
      CHECK(answers_within(clients.back().get(), 10'000));
    }
    add();
    CHECK_FALSE(answers_within(clients.back().get(), 50));
    clients.pop_front();
    CHECK(answers_within(clients.back().get(), 10'000));
    clients.clear();
    stop.request_stop();
  }
}

TEST_SUITE_END();
