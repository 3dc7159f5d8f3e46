#include "zc/listen.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "zc/context.hpp"
#include "zc/op/accept.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;
using zc::address;

namespace {

int option(int socket, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  REQUIRE(::getsockopt(socket, level, name, &value, &size) == 0);
  return value;
}

/// What a blocking connect(2) gives.
std::error_code connect_error(const address& where) {
  const zc::fd client(::socket(where.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::connect(client.get(), where.data(), where.size()) == 0) return {};
  return {errno, std::system_category()};
}

struct failure {
  std::error_code code;
  std::string text;
};

template <class Where>
failure failure_of(const Where& where, zc::listen_options options = {}) {
  try {
    zc::listen(where, options);
  } catch (const std::system_error& error) {
    return {error.code(), error.what()};
  }
  return {};
}

address at_port(const char* host, std::uint16_t port) {
  return address::parse(std::string(host) + ":" + std::to_string(port));
}

}  // namespace

TEST_CASE("listen: port 0 picks a port, and who connects to it is accepted") {
  for (const char* const where : {"127.0.0.1:0", "[::1]:0"}) {
    CAPTURE(where);
    const zc::fd listener = zc::listen(address::parse(where));
    const address bound = zc::local_address(listener.get());
    CHECK(bound.port() != 0);
    CHECK(bound.host() == address::parse(where).host());
    CHECK_FALSE(connect_error(bound));
    const zc::fd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    CHECK(client);
  }
}

TEST_CASE("listen: the socket is close-on-exec and of TCP, its address can be used again at once") {
  const zc::fd listener = zc::listen(address::parse("127.0.0.1:0"));
  CHECK((::fcntl(listener.get(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK(option(listener.get(), SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP);
  CHECK(option(listener.get(), SOL_SOCKET, SO_REUSEADDR) == 1);
  CHECK(option(listener.get(), SOL_SOCKET, SO_REUSEPORT) == 0);
}

TEST_CASE("listen: a server starts again where connections of the last one linger") {
  zc::fd listener = zc::listen(address::parse("127.0.0.1:0"));
  const address where = zc::local_address(listener.get());
  const zc::fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(client.get(), where.data(), where.size()) == 0);
  zc::fd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  accepted = zc::fd();  // ends first: this side keeps TIME_WAIT, or FIN_WAIT2 as here
  listener = zc::fd();
  CHECK_FALSE(failure_of(where).code);
}

TEST_CASE("listen: an accept on the ring waits for a connection, whatever the listener's mode") {
  for (const bool nonblocking : {false, true}) {
    CAPTURE(nonblocking);
    const zc::fd listener = zc::listen(address::parse("127.0.0.1:0"));
    CHECK((::fcntl(listener.get(), F_GETFL) & O_NONBLOCK) == 0);
    support::set_nonblocking(listener.get(), nonblocking);
    bool accepted = false;
    const auto one = [&]() -> zc::task<> {
      zc::result<zc::fd> client = co_await zc::op::accept(listener.get());
      CHECK_FALSE(client.error());
      accepted = client.has_value();
    };
    const auto work = [&]() -> zc::task<> {
      zc::scope both;
      both.spawn(one());
      co_await zc::sleep_for(20ms);
      CHECK_FALSE(accepted);
      CHECK_FALSE(connect_error(zc::local_address(listener.get())));
      co_await both.join();
    };
    zc::run(zc::timeout(30s, work()));
    CHECK(accepted);
  }
}

TEST_CASE("listen: a port in use is EADDRINUSE, and the text names the address") {
  const zc::fd first = zc::listen(address::parse("127.0.0.1:0"));
  const address where = zc::local_address(first.get());
  const failure second = failure_of(where);
  CHECK(second.code == std::errc::address_in_use);
  CHECK(second.text == "zc::listen: " + zc::to_string(where) + ": Address already in use");
}

TEST_CASE("listen: several share a port that each was given with reuse_port") {
  const zc::listen_options shared{.reuse_port = true};
  const zc::fd first = zc::listen(address::parse("127.0.0.1:0"), shared);
  const address where = zc::local_address(first.get());
  CHECK(option(first.get(), SOL_SOCKET, SO_REUSEPORT) == 1);
  CHECK_FALSE(failure_of(where, shared).code);
  CHECK(failure_of(where).code == std::errc::address_in_use);
}

TEST_CASE("listen: [::] takes IPv4 too, unless v6_only") {
  for (const bool v6_only : {false, true}) {
    CAPTURE(v6_only);
    const zc::fd listener = zc::listen(address::parse("[::]:0"), {.v6_only = v6_only});
    const std::uint16_t port = zc::local_address(listener.get()).port();
    CHECK_FALSE(connect_error(at_port("[::1]", port)));
    const std::error_code by_v4 = connect_error(at_port("127.0.0.1", port));
    if (v6_only) {
      CHECK(by_v4 == std::errc::connection_refused);
      continue;
    }
    CHECK_FALSE(by_v4);
    ::close(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const zc::fd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    CHECK(zc::peer_address(client.get()).host() == "::ffff:127.0.0.1");
    CHECK(zc::peer_address(client.get()).unmapped().host() == "127.0.0.1");
  }
}

TEST_CASE("listen: no more connections than the backlog and one wait to be accepted") {
  const zc::fd listener = zc::listen(address::parse("127.0.0.1:0"), {.backlog = 1});
  const address where = zc::local_address(listener.get());
  std::vector<zc::fd> clients;
  int connected = 0;
  for (int i = 0; i < 8; ++i) {
    zc::fd client(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    ::connect(client.get(), where.data(), where.size());
    clients.push_back(std::move(client));
  }
  for (const zc::fd& each : clients) {
    // On loopback the handshake is over when connect(2) returns, or stands still.
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(each.get(), reinterpret_cast<sockaddr*>(&peer), &size) == 0) ++connected;
  }
  CHECK(connected == 2);
}

TEST_CASE("listen: an address of another machine is EADDRNOTAVAIL, no address is an error") {
  const failure elsewhere = failure_of(address::parse("240.0.0.1:0"));
  CHECK(elsewhere.code == std::errc::address_not_available);
  CHECK(elsewhere.text.find("240.0.0.1:0") != std::string::npos);
  CHECK(failure_of(address()).code);
}

TEST_CASE("listen: of several addresses the first that can be listened on is taken") {
  const address elsewhere = address::parse("240.0.0.1:0");
  const address here = address::parse("127.0.0.1:0");
  const zc::fd listener = zc::listen(std::vector{elsewhere, here, elsewhere});
  CHECK(zc::local_address(listener.get()).host() == "127.0.0.1");
  const failure none = failure_of(std::vector{address::parse("240.0.0.2:0"), elsewhere});
  CHECK(none.code == std::errc::address_not_available);
  CHECK(none.text.find("240.0.0.1:0") != std::string::npos);
  CHECK_THROWS_AS(zc::listen(std::vector<address>()), std::invalid_argument);
}

TEST_CASE("listen: without descriptors left it is EMFILE, and nothing stays open") {
  const std::size_t open = support::open_descriptors();
  failure none;
  {
    const support::limit few(RLIMIT_NOFILE, 3);
    none = failure_of(address::parse("127.0.0.1:0"));
  }
  CHECK(none.code == std::errc::too_many_files_open);
  CHECK(support::open_descriptors() == open);
}

TEST_SUITE_END();
