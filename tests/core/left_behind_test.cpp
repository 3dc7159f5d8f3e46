// No combinator drops bytes: what stands beside an exception, and what a race's losers return.

#include "zc/left_behind.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "support/descriptors.hpp"
#include "zc/context.hpp"
#include "zc/recv_stream.hpp"
#include "zc/relay.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/splice.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"
#include "zc/when_any.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

namespace {

struct own_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

zc::transfer with_bytes(std::string_view bytes) {
  auto storage = std::make_unique<std::byte[]>(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) storage[i] = static_cast<std::byte>(bytes[i]);
  zc::transfer done;
  done.taken = bytes.size() + 1;
  done.moved = 1;
  done.reason = zc::stop_reason::cancelled;
  done.remainder = zc::remainder(std::move(storage), 0, bytes.size());
  return done;
}

template <class T>
zc::task<T> give(T value) {
  co_await zc::yield();
  co_return value;
}

template <class Error>
zc::task<int> fail(Error error) {
  co_await zc::yield();
  throw error;
}

zc::task<std::uint64_t> fail_to_splice(std::string_view bytes) {
  co_await zc::yield();
  zc::transfer done = with_bytes(bytes);
  done.side = zc::side::out;
  throw zc::transfer_error(std::move(done), {EPIPE, std::system_category()}, 100);
}

/// As splice() that is cancelled with bytes in between.
zc::task<std::uint64_t> cut_splice(std::string_view bytes) {
  try {
    co_await zc::sleep_for(1h);
  } catch (const std::system_error& cancelled) {
    throw zc::transfer_error(with_bytes(bytes), cancelled.code(), 100);
  }
  co_return 0;
}

std::string text_of(const zc::transfer& done) {
  const auto bytes = done.remainder.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The remainders beside what `work` threw, which is an `Error` with this text.
template <class Error, class T>
std::vector<std::string> left_by(zc::task<T> work, const std::string& text) {
  std::vector<std::string> left;
  try {
    static_cast<void>(zc::run(std::move(work)));
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.what() == text);
    const auto* more = dynamic_cast<const zc::left_behind*>(&error);
    if (more == nullptr) return left;
    for (zc::transfer& each : more->transfers()) left.push_back(text_of(each));
  }
  return left;
}

using texts = std::vector<std::string>;

}  // namespace

TEST_CASE("when_all: bytes beside an exception are in it, in order, from values of every shape") {
  std::vector<zc::transfer> several;
  several.push_back(with_bytes("c"));
  several.emplace_back();
  several.push_back(with_bytes("d"));
  zc::relay_result relay;
  relay.b_to_a = with_bytes("f");
  CHECK(left_by<std::runtime_error>(
            zc::when_all(give(with_bytes("a")), fail(std::runtime_error("first")),
                         give(std::pair(1, std::optional(with_bytes("b")))),
                         give(std::move(several)), give(zc::result(with_bytes("e"))),
                         give(std::move(relay)), give(std::string("dropped"))),
            "first") == texts{"a", "b", "c", "d", "e", "f"});
}

TEST_CASE("when_all: a vector's bytes beside an exception, and counts with them") {
  std::vector<zc::task<zc::transfer>> tasks;
  const auto failing = []() -> zc::task<zc::transfer> {
    co_await zc::yield();
    throw std::invalid_argument("first");
  };
  tasks.push_back(give(with_bytes("a")));
  tasks.push_back(failing());
  tasks.push_back(give(zc::transfer()));
  bool seen = false;
  try {
    static_cast<void>(zc::run(zc::when_all(std::move(tasks))));
  } catch (const std::logic_error& error) {
    const auto& more = dynamic_cast<const zc::left_behind&>(error);
    REQUIRE(more.transfers().size() == 1);
    const zc::transfer& one = more.transfers()[0];
    CHECK(one.taken == one.moved + one.remainder.size());
    CHECK_THROWS_AS(std::rethrow_if_nested(error), std::invalid_argument);
    seen = true;
  }
  CHECK(seen);
}

TEST_CASE("when_all: where nobody has bytes the exception is the task's own, of its own type") {
  CHECK_THROWS_WITH_AS(
      static_cast<void>(zc::run(
          zc::when_all(give(zc::transfer()), fail(own_error("own")), give(std::string("text"))))),
      "own", own_error);
}

TEST_CASE("when_all: beside bytes an exception is still of its standard kind") {
  const auto with = [](auto error) { return zc::when_all(give(with_bytes("a")), fail(error)); };
  const std::system_error system({ECONNRESET, std::system_category()}, "who");
  CHECK(left_by<std::system_error>(with(system), system.what()) == texts{"a"});
  CHECK(left_by<std::logic_error>(with(std::logic_error("l")), "l") == texts{"a"});
  CHECK(left_by<std::bad_alloc>(with(std::bad_alloc()), std::bad_alloc().what()) == texts{"a"});
  CHECK(left_by<std::runtime_error>(with(own_error("o")), "o") == texts{"a"});
  CHECK(left_by<std::exception>(with(7), "zc: no std::exception") == texts{"a"});
}

TEST_CASE("when_all: of two transfer_errors the first is thrown, with the bytes of the other") {
  bool seen = false;
  try {
    static_cast<void>(zc::run(zc::when_all(fail_to_splice("one"), fail_to_splice("two"))));
  } catch (const zc::transfer_error& error) {
    CHECK(error.moved() == 1);
    CHECK(error.remainder().size() == 3);
    const auto& more = dynamic_cast<const zc::left_behind&>(error);
    REQUIRE(more.transfers().size() == 1);
    const zc::transfer& other = more.transfers()[0];
    CHECK(text_of(other) == "two");
    CHECK(other.moved == 1);
    CHECK(other.taken == 4);
    CHECK(other.reason == zc::stop_reason::failed);
    CHECK(other.error == std::errc::broken_pipe);
    CHECK(other.side == zc::side::out);
    seen = true;
  }
  CHECK(seen);
}

TEST_CASE("when_all: nested ones gather the bytes of all levels") {
  CHECK(left_by<std::runtime_error>(
            zc::when_all(give(with_bytes("a")),
                         zc::when_all(give(with_bytes("b")), fail(std::runtime_error("in"))),
                         give(with_bytes("c"))),
            "in") == texts{"b", "a", "c"});
}

TEST_CASE("when_all: bytes that a recv_stream gave beside an exception") {
  const support::ends pair = support::unix_pair();
  support::write_all(pair.second.get(), "hello");
  const auto body = [&]() -> zc::task<int> {
    zc::recv_stream stream(pair.first.get());
    co_await zc::when_all(stream.next(), fail(std::runtime_error("beside")));
    co_return 0;
  };
  CHECK(left_by<std::runtime_error>(body(), "beside") == texts{"hello"});
}

TEST_CASE("scope: bytes of a transfer_error that is not the first are in what join throws") {
  const auto body = []() -> zc::task<int> {
    zc::scope tasks;
    tasks.spawn(fail(std::runtime_error("first")));
    tasks.spawn(cut_splice("two"));
    tasks.spawn(cut_splice("three"));
    co_await tasks.join();
    co_return 0;
  };
  CHECK(left_by<std::runtime_error>(body(), "first") == texts{"two", "three"});
}

TEST_CASE("context: bytes of the task that runs are in what a background task throws") {
  const auto body = []() -> zc::task<zc::transfer> {
    try {
      co_await zc::sleep_for(1h);
    } catch (const std::system_error&) {
    }
    co_return with_bytes("kept");
  };
  zc::context context;
  context.spawn(fail(std::runtime_error("background")));
  std::string kept;
  try {
    static_cast<void>(context.run(body()));
  } catch (const std::runtime_error& error) {
    CHECK(std::string(error.what()) == "background");
    for (zc::transfer& each : dynamic_cast<const zc::left_behind&>(error).transfers()) {
      kept += text_of(each);
    }
  }
  CHECK(kept == "kept");
}

TEST_CASE("context: a run that is refused leaves its task alone") {
  zc::context context;
  const auto inside = [&]() -> zc::task<> {
    CHECK_THROWS_AS(static_cast<void>(context.run(give(with_bytes("x")))), std::logic_error);
    co_return;
  };
  context.run(inside());
}

TEST_CASE("when_any: how the losers ended is there, bytes and exceptions") {
  const auto loser = []() -> zc::task<zc::transfer> {
    try {
      co_await zc::sleep_for(1h);
    } catch (const std::system_error&) {
    }
    co_return with_bytes("kept");
  };
  auto first = zc::run(zc::when_any(loser(), zc::sleep_for(1ms), zc::sleep_for(1h)));
  CHECK(first.index() == 1);
  auto& [transfer, winner, sleeper] = first.others;
  REQUIRE(transfer);
  CHECK(text_of(*transfer) == "kept");
  CHECK_FALSE(winner.has_value());
  CHECK_FALSE(winner.error());
  CHECK_THROWS_AS(sleeper.value(), std::system_error);
}

TEST_CASE("when_any: a real transfer that loses keeps its counts") {
  const support::ends from = support::make_pipe();
  const support::ends to = support::unix_pair();
  support::write_all(from.second.get(), "0123456789");
  auto first =
      zc::run(zc::when_any(zc::sleep_for(30ms), zc::try_splice(from.first.get(), to.first.get())));
  REQUIRE(first.index() == 0);
  const zc::transfer& lost = *std::get<1>(first.others);
  CHECK(lost.reason == zc::stop_reason::cancelled);
  CHECK(lost.moved == 10);
  CHECK(lost.taken == lost.moved + lost.remainder.size());
}

TEST_CASE("when_any: the first throws: the losers' bytes are in its exception") {
  const auto loser = []() -> zc::task<zc::transfer> {
    try {
      co_await zc::sleep_for(1h);
    } catch (const std::system_error&) {
    }
    co_return with_bytes("kept");
  };
  CHECK(left_by<std::runtime_error>(zc::when_any(loser(), fail(std::runtime_error("first"))),
                                    "first") == texts{"kept"});
}

TEST_CASE("when_any: a first alternative that has no default") {
  struct bare {
    explicit bare(int) {}
  };
  auto first = zc::run(zc::when_any(give(bare(1)), zc::sleep_for(1h)));
  CHECK(first.index() == 0);
}

TEST_SUITE_END();
