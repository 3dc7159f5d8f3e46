// What timeout() gives back of work that it cut short: whatever that returned.

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "support/descriptors.hpp"
#include "support/transfers.hpp"
#include "zc/connect.hpp"
#include "zc/context.hpp"
#include "zc/left_behind.hpp"
#include "zc/op/recv.hpp"
#include "zc/sleep.hpp"
#include "zc/splice.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"
#include "zc/when_any.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

namespace {

zc::transfer cut_transfer(std::string_view bytes) {
  auto storage = std::make_unique<std::byte[]>(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) storage[i] = static_cast<std::byte>(bytes[i]);
  zc::transfer done;
  done.taken = bytes.size();
  done.reason = zc::stop_reason::cancelled;
  done.remainder = zc::remainder(std::move(storage), 0, bytes.size());
  return done;
}

std::string text_of(const zc::transfer& done) {
  const auto bytes = done.remainder.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Waits until it is cancelled, and then returns `value` all the same.
template <class T>
zc::task<T> give_when_cancelled(T value) {
  bool cancelled = false;
  try {
    co_await zc::sleep_for(1h);
  } catch (const std::system_error& error) {
    cancelled = error.code() == std::errc::operation_canceled;
  }
  CHECK(cancelled);
  co_return value;
}

template <class T>
T after_deadline(T value) {
  return zc::run(zc::timeout(2ms, give_when_cancelled(std::move(value))));
}

struct report {
  std::size_t done = 0;
  std::string bytes;
};

}  // namespace

TEST_CASE("timeout: of two transfers in when_all both are given back, bytes, counts and all") {
  const support::ends from = support::make_pipe();
  const support::ends idle = support::make_pipe();
  const support::ends to = support::unix_pair();
  support::write_all(from.second.get(), "0123456789");
  const auto both =
      zc::run(zc::timeout(50ms, zc::when_all(zc::try_splice(from.first.get(), to.first.get()),
                                             zc::try_splice(idle.first.get(), to.first.get()))));
  const zc::transfer& one = std::get<0>(both);
  CHECK(one.reason == zc::stop_reason::timed_out);
  CHECK(one.taken == 10);
  CHECK(one.moved == 10);
  CHECK(std::get<1>(both).reason == zc::stop_reason::timed_out);
  CHECK(std::get<1>(both).taken == 0);
  CHECK(support::read_some(to.second.get(), 10) == "0123456789");
}

TEST_CASE("timeout: a value of any shape comes back, its transfers timed_out with their bytes") {
  auto in_pair = after_deadline(std::pair(cut_transfer("ab"), 1));
  CHECK(in_pair.first.reason == zc::stop_reason::timed_out);
  CHECK(text_of(in_pair.first) == "ab");
  auto perhaps = after_deadline(std::optional(cut_transfer("cd")));
  REQUIRE(perhaps);
  CHECK(perhaps->reason == zc::stop_reason::timed_out);
  CHECK(text_of(*perhaps) == "cd");
  std::vector<std::tuple<int, zc::transfer>> rows;
  rows.emplace_back(1, cut_transfer("ef"));
  rows = after_deadline(std::move(rows));
  CHECK(std::get<1>(rows.at(0)).reason == zc::stop_reason::timed_out);
  CHECK(text_of(std::get<1>(rows[0])) == "ef");
}

TEST_CASE("timeout: work that catches the cancellation keeps its count, and a struct what it has") {
  CHECK(after_deadline(std::size_t{4711}) == 4711);
  const report mine = after_deadline(report{7, "bytes"});
  CHECK(mine.done == 7);
  CHECK(mine.bytes == "bytes");
  CHECK(*after_deadline(std::make_unique<int>(5)) == 5);
}

TEST_CASE("timeout: work without a value that catches the cancellation has timed out") {
  const auto stubborn = []() -> zc::task<> {
    try {
      co_await zc::sleep_for(1h);
    } catch (const std::system_error&) {
    }
  };
  std::error_code code;
  try {
    zc::run(zc::timeout(2ms, stubborn()));
  } catch (const std::system_error& error) {
    code = error.code();
  }
  CHECK(code == std::errc::timed_out);
}

TEST_CASE("timeout: an exception's own text survives, and the exception itself is nested") {
  const auto failing = []() -> zc::task<int> {
    try {
      co_await zc::sleep_for(1h);
    } catch (const std::system_error& error) {
      throw std::system_error(error.code(), "greet: 192.0.2.1:80");
    }
    co_return 1;
  };
  bool nested = false;
  try {
    zc::run(zc::timeout(2ms, failing()));
  } catch (const std::system_error& error) {
    CHECK(error.code() == std::errc::timed_out);
    CHECK(std::string(error.what()) == "greet: 192.0.2.1:80: Connection timed out");
    try {
      std::rethrow_if_nested(error);
    } catch (const std::system_error& inner) {
      nested = inner.code() == std::errc::operation_canceled;
    }
  }
  CHECK(nested);
  const auto bare = []() -> zc::task<> { co_await zc::sleep_for(1h); };
  CHECK_THROWS_WITH(zc::run(zc::timeout(2ms, bare())), "zc::sleep_for: Connection timed out");
}

TEST_CASE("timeout: connect says whom it did not reach in time") {
  // A listener whose queue is full: the handshake of one more is not answered.
  std::uint16_t port = 0;
  const zc::fd listener = support::tcp_listener(port);
  REQUIRE(::listen(listener.get(), 0) == 0);
  const zc::address where = zc::address::parse("127.0.0.1:" + std::to_string(port));
  const zc::fd first = zc::run(zc::connect(where));
  std::string text;
  try {
    for (int i = 0; i < 10; ++i) {
      const zc::fd another = zc::run(zc::timeout(50ms, zc::connect(where)));
    }
  } catch (const std::system_error& error) {
    text = error.what();
    CHECK(error.code() == std::errc::timed_out);
  }
  CHECK(text == "zc::connect: " + zc::to_string(where) + ": Connection timed out");
}

TEST_CASE("timeout: bytes beside another task's exception are in the exception") {
  const auto both = []() -> zc::task<std::tuple<zc::transfer, std::monostate>> {
    return zc::when_all(give_when_cancelled(cut_transfer("abc")), zc::sleep_for(1h));
  };
  std::string saved;
  try {
    zc::run(zc::timeout(2ms, both()));
  } catch (const std::system_error& error) {
    CHECK(error.code() == std::errc::timed_out);
    CHECK(std::string(error.what()) == "zc::sleep_for: Connection timed out");
    const auto* more = dynamic_cast<const zc::left_behind*>(&error);
    REQUIRE(more != nullptr);
    REQUIRE(more->transfers().size() == 1);
    CHECK(more->transfers()[0].reason == zc::stop_reason::timed_out);
    saved = text_of(more->transfers()[0]);
  }
  CHECK(saved == "abc");
}

TEST_CASE("timeout: an op in it is a result of ETIMEDOUT, or its value") {
  const support::ends pair = support::unix_pair();
  char byte = 0;
  const zc::result<std::size_t> late =
      zc::run(zc::timeout(5ms, zc::op::recv(pair.first.get(), &byte, 1, 0)));
  CHECK(late.error() == std::errc::timed_out);
  support::write_all(pair.second.get(), "x");
  const zc::result<std::size_t> there =
      zc::run(zc::timeout(10s, zc::op::recv(pair.first.get(), &byte, 1, 0)));
  CHECK(there.value() == 1);
  CHECK(byte == 'x');
}

TEST_SUITE_END();
