// Whatever can be awaited by a name can be awaited again, however it ended.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

#include "support/descriptors.hpp"
#include "zc/acceptor.hpp"
#include "zc/context.hpp"
#include "zc/op.hpp"
#include "zc/recv_stream.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

namespace {

/// Awaits what belongs to somebody else.
template <class Awaitable>
zc::task<std::error_code> error_of(Awaitable& work) {
  const auto done = co_await work;
  co_return done.error();
}

/// Awaits `work` until it is cancelled: after it has begun, or before.
template <class Awaitable>
zc::task<std::error_code> cancelled_end(Awaitable& work, bool begun) {
  zc::scope beside;
  std::error_code error;
  const auto wait = [&]() -> zc::task<> { error = co_await error_of(work); };
  if (!begun) beside.cancel();
  beside.spawn(wait());
  if (begun) co_await zc::sleep_for(1ms);
  beside.cancel();
  co_await beside.join();
  co_return error;
}

}  // namespace

TEST_CASE("op: one that was cancelled can be awaited again, and has its result") {
  for (const bool begun : {true, false}) {
    CAPTURE(begun);
    const support::ends pipe = support::make_pipe();
    const auto body = [&]() -> zc::task<> {
      std::array<char, 8> bytes{};
      zc::op::read reading(pipe.first.get(), bytes.data(), bytes.size());
      for (int i = 0; i < 3; ++i) {
        CHECK((co_await cancelled_end(reading, begun)) == std::errc::operation_canceled);
      }
      support::write_all(pipe.second.get(), "abc");
      const zc::result<std::size_t> got = co_await reading;
      CHECK(got.value() == 3);
      CHECK(std::string(bytes.data(), 3) == "abc");
      // And after it has succeeded.
      support::write_all(pipe.second.get(), "de");
      CHECK((co_await reading).value() == 2);
      CHECK((co_await cancelled_end(reading, begun)) == std::errc::operation_canceled);
    };
    zc::run(body());
  }
}

TEST_CASE("op: one that opens can be awaited again, and each descriptor is its own") {
  const auto body = [&]() -> zc::task<> {
    zc::op::openat opening(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);
    zc::fd first = (co_await opening).value();
    const zc::fd second = (co_await opening).value();
    CHECK(first.get() != second.get());
    CHECK((co_await cancelled_end(opening, false)) == std::errc::operation_canceled);
    CHECK((co_await opening).has_value());
  };
  zc::run(body());
}

TEST_CASE("op: one that failed can be awaited again") {
  const auto body = []() -> zc::task<> {
    zc::op::read reading(-1, nullptr, 0);
    CHECK((co_await reading).error() == std::errc::bad_file_descriptor);
    CHECK((co_await reading).error() == std::errc::bad_file_descriptor);
  };
  zc::run(body());
}

TEST_CASE("op: awaiting one that is in flight is std::logic_error, and the first goes on") {
  const support::ends pipe = support::make_pipe();
  const auto body = [&]() -> zc::task<> {
    zc::op::poll polling(pipe.first.get(), POLLIN);
    std::error_code error(EIO, std::system_category());
    const auto first = [&]() -> zc::task<> { error = co_await error_of(polling); };
    zc::scope beside;
    beside.spawn(first());
    co_await zc::sleep_for(1ms);
    CHECK_THROWS_AS(static_cast<void>(co_await polling), std::logic_error);
    support::write_all(pipe.second.get(), "x");
    co_await beside.join();
    CHECK_FALSE(error);
  };
  zc::run(body());
}

TEST_CASE("op: a copy has the arguments, and has not begun") {
  const support::ends pipe = support::make_pipe();
  const auto body = [&]() -> zc::task<> {
    zc::op::poll polling(pipe.first.get(), POLLIN);
    CHECK((co_await cancelled_end(polling, true)) == std::errc::operation_canceled);
    zc::op::poll copy = polling;
    support::write_all(pipe.second.get(), "x");
    CHECK(((co_await copy).value() & POLLIN) != 0);
  };
  zc::run(body());
}

TEST_CASE("recv_stream, acceptor: what next() gives can be awaited again") {
  const support::ends pair = support::unix_pair();
  std::uint16_t port = 0;
  const zc::fd listener = support::tcp_listener(port);
  const auto body = [&]() -> zc::task<> {
    zc::recv_stream stream(pair.first.get());
    auto next = stream.next();
    for (const bool begun : {true, false}) {
      CHECK((co_await cancelled_end(next, begun)) == std::errc::operation_canceled);
    }
    for (const char* text : {"abc", "de"}) {
      support::write_all(pair.second.get(), text);
      const zc::result<zc::received> got = co_await next;
      REQUIRE(got);
      CHECK(got->bytes().size() == std::string(text).size());
    }
    zc::acceptor connections(listener.get());
    auto accepted = connections.next();
    for (const bool begun : {true, false}) {
      CHECK((co_await cancelled_end(accepted, begun)) == std::errc::operation_canceled);
    }
  };
  zc::run(body());
}

TEST_SUITE_END();
