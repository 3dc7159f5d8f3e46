#include "zc/op/send.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <span>
#include <string>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"

TEST_SUITE_BEGIN("kernel");

using support::run_op;

TEST_CASE("op::send: its bytes arrive") {
  support::ends sockets = support::tcp_pair();
  const std::string bytes = support::bytes_at(0, 100);
  const auto sent = run_op<zc::op::send>(sockets.first.get(), std::as_bytes(std::span(bytes)));
  REQUIRE(sent);
  CHECK(*sent == 100);
  sockets.first = zc::fd();
  CHECK(support::read_all(sockets.second.get()) == bytes);
}

TEST_CASE("op::send: a dead peer is EPIPE without SIGPIPE, a pipe ENOTSOCK") {
  support::ends sockets = support::unix_pair();
  sockets.second = zc::fd();
  const auto error = [](int fd) { return run_op<zc::op::send>(fd, "x", std::size_t{1}).error(); };
  CHECK(error(sockets.first.get()) == std::errc::broken_pipe);
  const support::ends pipe = support::make_pipe();
  CHECK(error(pipe.second.get()) == std::errc::not_a_socket);
}

TEST_CASE("op::send: MSG_DONTWAIT on a full socket is EAGAIN") {
  const support::ends sockets = support::unix_pair();
  const std::string block(65536, 'x');
  const auto send = [&] {
    return run_op<zc::op::send>(sockets.first.get(), block.data(), block.size(), MSG_DONTWAIT);
  };
  zc::result<std::size_t> last = send();
  for (int i = 0; i < 1000 && last; ++i) last = send();
  CHECK(last.error() == std::errc::resource_unavailable_try_again);
}

TEST_SUITE_END();
