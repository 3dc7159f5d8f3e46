#include "zc/op/tee.hpp"

#include <doctest/doctest.h>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"

TEST_SUITE_BEGIN("kernel");

TEST_CASE("op::tee: duplicates the bytes of a pipe and leaves them in it") {
  support::ends from = support::make_pipe();
  support::ends to = support::make_pipe();
  support::write_all(from.second.get(), support::bytes_at(0, 100));
  const auto copied =
      support::run_op<zc::op::tee>(from.first.get(), to.second.get(), std::size_t{60});
  REQUIRE(copied);
  CHECK(*copied == 60);
  from.second = zc::fd();
  to.second = zc::fd();
  CHECK(support::read_all(from.first.get()) == support::bytes_at(0, 100));
  CHECK(support::read_all(to.first.get()) == support::bytes_at(0, 60));
}

TEST_CASE("op::tee: what is not a pipe is EINVAL") {
  const zc::fd file = support::file_of(10);
  const support::ends to = support::make_pipe();
  const auto copied = support::run_op<zc::op::tee>(file.get(), to.second.get(), std::size_t{10});
  CHECK(copied.error() == std::errc::invalid_argument);
}

TEST_SUITE_END();
