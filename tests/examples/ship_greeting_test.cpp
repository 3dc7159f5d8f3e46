#include <doctest/doctest.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "../examples/ship/wire.hpp"
#include "examples/program.hpp"
#include "support/descriptors.hpp"
#include "zc/fd.hpp"

// When a sender says hello.

TEST_SUITE_BEGIN("kernel");

TEST_CASE("examples/ship: a connection greets at once, however long the others take to be there") {
  std::uint16_t port = 0;
  zc::fd listener = support::tcp_listener(port);
  // One waits to be accepted, and no other is let in until then.
  REQUIRE(::listen(listener.get(), 0) == 0);
  const std::string address = "127.0.0.1:" + std::to_string(port);
  support::program sender({"ship", "send", address, "/etc/hostname", "--connections", "4"});
  const zc::fd first(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  REQUIRE(first);
  CHECK(support::read_some(first.get(), ship::wire::hello_size_bytes).size() ==
        ship::wire::hello_size_bytes);
  listener = zc::fd();
  ::shutdown(first.get(), SHUT_RDWR);
  CHECK(sender.finish().code == 1);
}

TEST_SUITE_END();
