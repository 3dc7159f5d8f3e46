#include "zc/op/connect.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

std::error_code connect_to(std::uint16_t port, int type) {
  const zc::fd client(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return support::run_op<zc::op::connect>(client.get(), reinterpret_cast<const sockaddr*>(&address),
                                          static_cast<socklen_t>(sizeof address))
      .error();
}

}  // namespace

TEST_CASE("op::connect: connects a socket in blocking and in non-blocking mode") {
  std::uint16_t port = 0;
  const zc::fd listener = support::tcp_listener(port);
  CHECK(!connect_to(port, SOCK_STREAM));
  CHECK(!connect_to(port, SOCK_STREAM | SOCK_NONBLOCK));
}

TEST_CASE("op::connect: a port without a listener is ECONNREFUSED") {
  std::uint16_t port = 0;
  support::tcp_listener(port);  // closed at once
  CHECK(connect_to(port, SOCK_STREAM) == std::errc::connection_refused);
}

TEST_CASE("op::connect: a pipe is ENOTSOCK") {
  const support::ends pipe = support::make_pipe();
  const sockaddr address{};
  const auto connected =
      support::run_op<zc::op::connect>(pipe.first.get(), &address, socklen_t{sizeof address});
  CHECK(connected.error() == std::errc::not_a_socket);
}

TEST_SUITE_END();
