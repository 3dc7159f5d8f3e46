#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "../examples/tcp_relay/upstream.hpp"
#include "examples/tcp_relay_support.hpp"
#include "support/process.hpp"
#include "zc/address.hpp"
#include "zc/context.hpp"
#include "zc/sleep.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using namespace std::chrono_literals;
using support::backend;
using support::deaf_backend;
using tcp_relay::notices;
using tcp_relay::upstream;

/// Where nobody listens.
zc::address nobody() {
  const backend gone;
  return zc::address::parse(gone.address());
}

zc::address address_of(const std::string& text) { return zc::address::parse(text); }

/// Whose the connection is that an upstream of these addresses makes, or what it throws.
std::string connected_to(std::vector<zc::address> known,
                         std::chrono::milliseconds connect_timeout = 300ms) {
  notices say;
  upstream one(zc::host_port("unused.invalid", 1), std::move(known), connect_timeout, say);
  try {
    const zc::fd made = zc::run(one.connect());
    return zc::to_string(zc::peer_address(made.get()));
  } catch (const std::system_error& failed) {
    return failed.what();
  }
}

}  // namespace

TEST_CASE("examples/tcp_relay: of an upstream's addresses the first that answers is taken") {
  const backend first;
  const backend second;
  CHECK(connected_to({address_of(first.address()), address_of(second.address())}) ==
        first.address());
  CHECK(connected_to({nobody(), address_of(second.address())}) == second.address());
  CHECK(connected_to({nobody(), nobody(), address_of(first.address()),
                      address_of(second.address())}) == first.address());
}

TEST_CASE("examples/tcp_relay: all addresses are tried within the connect timeout") {
  const deaf_backend deaf;
  const deaf_backend deafer;
  const backend answers;
  const auto began = std::chrono::steady_clock::now();
  CHECK(connected_to({address_of(deaf.address()), address_of(deafer.address()),
                      address_of(answers.address())},
                     600ms) == answers.address());
  CHECK(std::chrono::steady_clock::now() - began >= 400ms);
  CHECK(connected_to({nobody(), address_of(deaf.address())}) ==
        "connect: unused.invalid:1: Connection timed out");
  CHECK(connected_to({address_of(deaf.address())}) ==
        "connect: " + deaf.address() + ": Connection timed out");
}

TEST_CASE("examples/tcp_relay: an upstream's spare socket is the one that is connected") {
  const backend behind;
  notices say;
  upstream one(zc::host_port("unused.invalid", 1), {address_of(behind.address())}, 10s, say);
  zc::fd spare = one.spare();
  const int number = spare.get();
  REQUIRE(number >= 0);
  const zc::fd made = zc::run(one.connect(std::move(spare)));
  CHECK(made.get() == number);
  CHECK(zc::to_string(zc::peer_address(made.get())) == behind.address());
}

TEST_CASE("examples/tcp_relay: where no address answers, the last one is named") {
  const zc::address first = nobody();
  const zc::address last = nobody();
  const std::string said = connected_to({first, last});
  CHECK(said.find(zc::to_string(last) + ": Connection refused") != std::string::npos);
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("slow");

TEST_CASE("examples/tcp_relay: an upstream that has moved is found") {
  const backend now;
  notices say;
  // The number stands for a name: looked up again, it is another one than is known.
  const zc::address there = address_of(now.address());
  upstream one(zc::host_port(there.host(), there.port()), {nobody()}, 10s, say);
  const auto play = [&]() -> zc::task<> {
    bool refused = false;
    try {
      co_await one.connect();
    } catch (const std::system_error& failed) {
      refused = failed.code() == std::errc::connection_refused;
    }
    CHECK(refused);
    co_await zc::sleep_for(6s);
    const zc::fd made = co_await one.connect();
    CHECK(zc::peer_address(made.get()) == there);
  };
  zc::run(play());
}

TEST_CASE("examples/tcp_relay: a name that is not found any more keeps its last addresses") {
  const backend behind;
  notices say;
  upstream one(zc::host_port("no-such-host.invalid", 1), {address_of(behind.address())}, 10s, say);
  const auto play = [&]() -> zc::task<> {
    co_await zc::sleep_for(6s);
    const zc::fd made = co_await one.connect();
    CHECK(zc::to_string(zc::peer_address(made.get())) == behind.address());
  };
  zc::run(play());
}

TEST_SUITE_END();
