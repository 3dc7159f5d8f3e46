// connect() to one of several addresses, of which some do not answer.

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "support/sanitizers.hpp"
#include "zc/connect.hpp"
#include "zc/context.hpp"
#include "zc/listen.hpp"
#include "zc/timeout.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using zc::address;

/// Where nobody listens: a port that was free a moment ago.
address refusing() { return zc::local_address(zc::listen(address::parse("127.0.0.1:0")).get()); }

/// A listener whose queue is full: who connects to it waits for an answer.
class silent {
 public:
  silent() : listener_(zc::listen(address::parse("127.0.0.1:0"), {.backlog = 0})) {
    for (int i = 0; i < 4; ++i) {
      zc::fd each(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      ::connect(each.get(), where().data(), where().size());
      filling_.push_back(std::move(each));
    }
  }
  address where() const { return zc::local_address(listener_.get()); }

 private:
  zc::fd listener_;
  std::vector<zc::fd> filling_;
};

/// One that answers.
struct answering {
  zc::fd listener = zc::listen(address::parse("127.0.0.1:0"));
  address where = zc::local_address(listener.get());
};

zc::task<zc::fd> connect_to(std::vector<address> all, zc::connect_options options = {},
                            zc::fd spare = {}) {
  return zc::timeout(20s * support::slowdown(),
                     zc::connect(std::move(all), options, std::move(spare)));
}

}  // namespace

TEST_CASE("connect: addresses that do not answer hold up the next for their head start alone") {
  const silent first;
  const silent second;
  const answering third;
  const std::size_t open = support::open_descriptors();
  const auto began = steady_clock::now();
  {
    const zc::fd made =
        zc::run(connect_to({first.where(), second.where(), third.where}, {.head_start = 50ms}));
    CHECK(steady_clock::now() - began >= 100ms);
    CHECK(steady_clock::now() - began < 10s * support::slowdown());  // the kernel's is minutes
    CHECK(zc::peer_address(made.get()) == third.where);
    CHECK(support::open_descriptors() == open + 1);
  }
  CHECK(zc::peer_address(zc::run(connect_to({first.where(), third.where})).get()) == third.where);
}

TEST_CASE("connect: an address that fails has no head start") {
  const silent deaf;
  const answering last;
  const auto began = steady_clock::now();
  const zc::fd made =
      zc::run(connect_to({refusing(), address(), refusing(), last.where}, {.head_start = 1h}));
  CHECK(zc::peer_address(made.get()) == last.where);
  // Beside one that does not answer, too: 300 ms for that one, and none for the others.
  const zc::fd other = zc::run(
      connect_to({deaf.where(), refusing(), refusing(), last.where}, {.head_start = 300ms}));
  CHECK(zc::peer_address(other.get()) == last.where);
  CHECK(steady_clock::now() - began < 20s * support::slowdown());
}

TEST_CASE("connect: while one address may still answer it is waited for") {
  const silent deaf;
  const std::size_t open = support::open_descriptors();
  std::error_code end;
  try {
    zc::run(zc::timeout(
        150ms, zc::connect({deaf.where(), refusing(), deaf.where()}, {.head_start = 10ms})));
  } catch (const std::system_error& failed) {
    end = failed.code();
  }
  CHECK(end == std::errc::timed_out);
  CHECK(support::open_descriptors() == open);
}

// UBSan looks at objects through a pipe: without a descriptor for that it finds fault with all.
#ifndef ZC_TEST_ASAN

namespace {

zc::fd socket_of(int family) {
  return zc::fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/// connect_to() with room for so many descriptors besides the spare one; nothing where it fails.
zc::fd connect_with_room_for(int descriptors, std::vector<address> all, zc::connect_options options,
                             zc::fd spare) {
  zc::context context;
  zc::fd made;
  const auto work = [&]() -> zc::task<> {
    const int lowest_free = zc::fd(::dup(STDIN_FILENO)).get();
    const support::limit few(RLIMIT_NOFILE, static_cast<rlim_t>(lowest_free + descriptors));
    made = co_await connect_to(all, options, std::move(spare));
  };
  try {
    context.run(work());
  } catch (const std::system_error& failed) {
    CHECK(failed.code() == std::errc::too_many_files_open);
  }
  return made;
}

}  // namespace

TEST_CASE("connect: without room for two attempts the first is given up for the second") {
  const silent deaf;
  const silent deafer;
  const answering last;
  const zc::fd made = connect_with_room_for(1, {deaf.where(), deafer.where(), last.where},
                                            {.head_start = 50ms}, {});
  REQUIRE(made);
  CHECK(zc::peer_address(made.get()) == last.where);
}

TEST_CASE("connect: a spare socket is used first, and so none is asked for") {
  const answering one;
  zc::fd spare = socket_of(AF_INET);
  const int number = spare.get();
  const zc::fd made = connect_with_room_for(0, {one.where}, {}, std::move(spare));
  REQUIRE(made);
  CHECK(made.get() == number);
  CHECK(zc::peer_address(made.get()) == one.where);
  CHECK_FALSE(connect_with_room_for(0, {one.where}, {}, {}));
}

TEST_CASE("connect: a spare descriptor that will not do makes room for one that does") {
  const silent deaf;
  const answering one;
  const std::size_t open = support::open_descriptors();
  for (const bool other_family : {true, false}) {
    CAPTURE(other_family);
    zc::fd spare = other_family ? socket_of(AF_INET6) : zc::fd(::dup(STDIN_FILENO));
    const zc::fd made = connect_with_room_for(0, {deaf.where(), refusing(), one.where},
                                              {.head_start = 20ms}, std::move(spare));
    REQUIRE(made);
    CHECK(zc::peer_address(made.get()) == one.where);
  }
  CHECK(support::open_descriptors() == open);
}

#endif

TEST_SUITE_END();
