#include "zc/op/close.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"
#include "zc/with_stop.hpp"

TEST_SUITE_BEGIN("kernel");

using support::run_op;

TEST_CASE("op::close: the descriptor is gone") {
  const int raw = support::empty_file().release();
  CHECK(run_op<zc::op::close>(raw));
  CHECK(::fcntl(raw, F_GETFD) == -1);
}

TEST_CASE("op::close: a closed descriptor is EBADF") {
  CHECK(run_op<zc::op::close>(-1).error() == std::errc::bad_file_descriptor);
}

TEST_CASE("op::close: closes also in a task that is cancelled") {
  std::stop_source stop;
  stop.request_stop();
  const auto closing = [](int raw) -> zc::task<bool> {
    const zc::result<void> closed = co_await zc::op::close(raw);
    co_return closed.has_value();
  };
  const int raw = support::empty_file().release();
  CHECK(zc::run(zc::with_stop(stop.get_token(), closing(raw))));
  CHECK(::fcntl(raw, F_GETFD) == -1);
}

TEST_SUITE_END();
