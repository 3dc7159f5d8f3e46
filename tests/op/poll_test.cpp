#include "zc/op/poll.hpp"

#include <doctest/doctest.h>
#include <poll.h>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"
#include "zc/op/write.hpp"
#include "zc/when_all.hpp"

TEST_SUITE_BEGIN("kernel");

using support::run_op;

TEST_CASE("op::poll: tells which of the events have come") {
  support::ends pipe = support::make_pipe();
  const auto writable = run_op<zc::op::poll>(pipe.second.get(), unsigned{POLLOUT});
  REQUIRE(writable);
  CHECK((*writable & POLLOUT) != 0);
  pipe.second = zc::fd();
  const auto hung_up = run_op<zc::op::poll>(pipe.first.get(), unsigned{POLLIN});
  REQUIRE(hung_up);
  CHECK((*hung_up & POLLHUP) != 0);
}

TEST_CASE("op::poll: waits for what another task does") {
  const support::ends pipe = support::make_pipe();
  const auto waiting = [&]() -> zc::task<unsigned> {
    zc::result<unsigned> events = co_await zc::op::poll(pipe.first.get(), POLLIN);
    co_return events.value();
  };
  const auto writing = [&]() -> zc::task<> {
    const zc::result<std::size_t> wrote = co_await zc::op::write(pipe.second.get(), "x", 1);
    wrote.value();
  };
  CHECK(std::get<0>(zc::run(zc::when_all(waiting(), writing()))) == POLLIN);
}

TEST_CASE("op::poll: a regular file is ready at once") {
  const zc::fd file = support::file_of(1);
  const auto events = run_op<zc::op::poll>(file.get(), unsigned{POLLIN});
  REQUIRE(events);
  CHECK((*events & POLLIN) != 0);
}

TEST_CASE("op::poll: a closed descriptor is EBADF") {
  const auto error = run_op<zc::op::poll>(-1, unsigned{POLLIN}).error();
  CHECK(error == std::errc::bad_file_descriptor);
}

TEST_SUITE_END();
