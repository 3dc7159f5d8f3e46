#include "zc/op/accept.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"
#include "zc/op/connect.hpp"
#include "zc/when_all.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

zc::fd tcp_socket() { return zc::fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

}  // namespace

TEST_CASE("op::accept: waits for a connection and owns its descriptor, close-on-exec") {
  std::uint16_t port = 0;
  const zc::fd listener = support::tcp_listener(port);
  const zc::fd client = tcp_socket();
  const sockaddr_in address = loopback(port);
  const auto accepting = [&]() -> zc::task<zc::fd> {
    zc::result<zc::fd> connection = co_await zc::op::accept(listener.get());
    co_return std::move(connection).value();
  };
  const auto connecting = [&]() -> zc::task<> {
    const zc::result<void> connected = co_await zc::op::connect(
        client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    connected.value();
  };
  const zc::fd server = std::get<0>(zc::run(zc::when_all(accepting(), connecting())));
  CHECK((::fcntl(server.get(), F_GETFD) & FD_CLOEXEC) != 0);
  support::write_all(client.get(), "x");
  char byte = 0;
  CHECK(::recv(server.get(), &byte, 1, 0) == 1);
}

TEST_CASE("op::accept: fills the peer's address in, and takes SOCK_NONBLOCK") {
  std::uint16_t port = 0;
  const zc::fd listener = support::tcp_listener(port);
  const zc::fd client = tcp_socket();
  const sockaddr_in to = loopback(port);
  REQUIRE(::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  sockaddr_in peer{};
  socklen_t length = sizeof peer;
  const zc::result<zc::fd> server = support::run_op<zc::op::accept>(
      listener.get(), reinterpret_cast<sockaddr*>(&peer), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  REQUIRE(server);
  CHECK(length == sizeof peer);
  CHECK(peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
  CHECK((::fcntl(server->get(), F_GETFL) & O_NONBLOCK) != 0);
}

TEST_CASE("op::accept: a socket that does not listen is EINVAL, a pipe ENOTSOCK") {
  const zc::fd deaf = tcp_socket();
  const support::ends pipe = support::make_pipe();
  CHECK(support::run_op<zc::op::accept>(deaf.get()).error() == std::errc::invalid_argument);
  CHECK(support::run_op<zc::op::accept>(pipe.first.get()).error() == std::errc::not_a_socket);
}

TEST_SUITE_END();
