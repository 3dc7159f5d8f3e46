#include "zc/op/recv.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"

TEST_SUITE_BEGIN("kernel");

using support::run_op;

TEST_CASE("op::recv: gives what has arrived, and 0 at the end of the stream") {
  support::ends sockets = support::tcp_pair();
  support::write_all(sockets.second.get(), support::bytes_at(0, 50));
  sockets.second = zc::fd();
  std::string buffer(100, '\0');
  const auto some = run_op<zc::op::recv>(sockets.first.get(), buffer.data(), buffer.size());
  REQUIRE(some);
  CHECK(*some == 50);
  CHECK(support::are_bytes_at(std::string_view(buffer).substr(0, 50), 0));
  std::array<std::byte, 10> more{};
  const auto none = run_op<zc::op::recv>(sockets.first.get(), std::span<std::byte>(more));
  REQUIRE(none);
  CHECK(*none == 0);
}

TEST_CASE("op::recv: MSG_PEEK leaves the bytes, MSG_DONTWAIT does not wait") {
  const support::ends sockets = support::unix_pair();
  char byte = 0;
  const auto receive = [&](int flags) {
    return run_op<zc::op::recv>(sockets.first.get(), &byte, std::size_t{1}, flags);
  };
  CHECK(receive(MSG_DONTWAIT).error() == std::errc::resource_unavailable_try_again);
  support::write_all(sockets.second.get(), "x");
  CHECK(receive(MSG_PEEK));
  CHECK(receive(MSG_DONTWAIT));
  CHECK(byte == 'x');
}

TEST_CASE("op::recv: a pipe is ENOTSOCK, a listening socket ENOTCONN") {
  char byte = 0;
  const auto error = [&](int fd) {
    return run_op<zc::op::recv>(fd, &byte, std::size_t{1}).error();
  };
  const support::ends pipe = support::make_pipe();
  CHECK(error(pipe.first.get()) == std::errc::not_a_socket);
  std::uint16_t port = 0;
  const zc::fd listener = support::tcp_listener(port);
  CHECK(error(listener.get()) == std::errc::not_connected);
}

TEST_SUITE_END();
