#include "zc/op/shutdown.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"

TEST_SUITE_BEGIN("kernel");

using support::run_op;

TEST_CASE("op::shutdown: ends one direction and leaves the other") {
  const support::ends sockets = support::tcp_pair();
  CHECK(run_op<zc::op::shutdown>(sockets.first.get(), int{SHUT_WR}));
  CHECK(support::read_all(sockets.second.get()).empty());
  support::write_all(sockets.second.get(), "x");
  char byte = 0;
  CHECK(::recv(sockets.first.get(), &byte, 1, 0) == 1);
}

TEST_CASE("op::shutdown: an unconnected socket is ENOTCONN, a pipe ENOTSOCK") {
  const zc::fd lonely(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const support::ends pipe = support::make_pipe();
  const auto error = [](int fd) { return run_op<zc::op::shutdown>(fd, int{SHUT_RDWR}).error(); };
  CHECK(error(lonely.get()) == std::errc::not_connected);
  CHECK(error(pipe.first.get()) == std::errc::not_a_socket);
}

TEST_SUITE_END();
