#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "examples/process_view.hpp"
#include "examples/tcp_relay_support.hpp"
#include "support/process.hpp"
#include "support/sanitizers.hpp"
#include "zc/address.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using namespace std::chrono_literals;
using support::backend;
using support::bytes_at;
using support::connect_through;
using support::deaf_backend;
using support::ending;
using support::heard;
using support::hears;
using support::running_relay;
using support::statistic;
using support::through;
using support::times;
using support::write_all;

/// A client, or a server, in a process of its own that holds one descriptor of this one until it is
/// killed.
class holder {
 public:
  explicit holder(zc::fd /*held*/) : child_(::fork()) {
    if (child_ == 0) {
      ::alarm(60 * support::slowdown());
      for (;;) ::pause();
    }
    REQUIRE(child_ > 0);
  }
  holder(const holder&) = delete;
  holder& operator=(const holder&) = delete;
  ~holder() { kill(); }
  void kill() {
    if (child_ < 0) return;
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    child_ = -1;
  }

 private:
  pid_t child_;
};

std::string hex_port(int socket, bool peer) {
  const std::uint16_t port =
      peer ? zc::peer_address(socket).port() : zc::local_address(socket).port();
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), ":%04X", port);
  return text.data();
}

/// Whether who is at the other end of `socket`, in this machine, has a keepalive timer running.
bool is_asked_for(const zc::fd& socket) {
  const std::string local = hex_port(socket.get(), true);
  const std::string remote = hex_port(socket.get(), false);
  std::ifstream table("/proc/net/tcp");
  for (std::string line; std::getline(table, line);) {
    std::istringstream fields(line);
    std::string number, here, there, state, queues, timer;
    fields >> number >> here >> there >> state >> queues >> timer;
    if (here.ends_with(local) && there.ends_with(remote)) return timer.rfind("02:", 0) == 0;
  }
  return false;
}

}  // namespace

TEST_CASE("examples/tcp_relay: who says nothing is asked whether it is there, at either side") {
  const backend behind;
  running_relay relay(behind.address());
  const through on = connect_through(relay, behind);
  CHECK(relay.comes_to("active", 1));
  CHECK(support::comes_true([&] { return is_asked_for(on.client) && is_asked_for(on.server); }));
}

TEST_CASE("examples/tcp_relay: where nobody answers the client is reset, until somebody does") {
  backend behind;
  const std::string address = behind.address();
  running_relay relay(address);
  behind.close();
  for (int i = 0; i < 20; ++i) {
    const zc::fd client = support::reach(relay.address());
    CHECK(support::hear_out(client.get()).how == ending::reset);
  }
  CHECK(relay.comes_to("refused", 20));
  const backend again(address);
  {
    const through on = connect_through(relay, again);
    write_all(on.client.get(), "hello");
    CHECK(hears(on.server.get(), "hello"));
  }
  const std::string said = relay.stop();
  CHECK(said.find(address + ": Connection refused") != std::string::npos);
  // Not twenty times.
  CHECK(statistic(said, "refused") == 20);
  CHECK(times(said, "Connection refused") < 10);
}

TEST_CASE("examples/tcp_relay: an upstream that does not answer is given its time, and no more") {
  const deaf_backend behind;
  running_relay relay(behind.address(), {"--connect-timeout", "0.3"});
  const auto began = std::chrono::steady_clock::now();
  const zc::fd client = support::reach(relay.address());
  CHECK(support::hear_out(client.get()).how == ending::reset);
  CHECK(std::chrono::steady_clock::now() - began >= 300ms);
  CHECK(relay.comes_to("connect_timed_out", 1));
  CHECK(relay.stop().find("Connection timed out") != std::string::npos);
}

TEST_CASE("examples/tcp_relay: who waits for an upstream is let go at the end of the grace") {
  const deaf_backend behind;
  running_relay relay(behind.address(), {"--connect-timeout", "60", "--grace", "0.1"});
  const zc::fd client = support::reach(relay.address());
  CHECK(relay.comes_to("active", 1));
  CHECK(statistic(relay.stop(), "cancelled") == 1);
  CHECK(support::hear_out(client.get()).how == ending::reset);
}

TEST_CASE(
    "examples/tcp_relay: a connection without a byte for the idle timeout ends at both ends") {
  const backend behind;
  running_relay relay(behind.address(), {"--idle-timeout", "0.5"});
  const through on = connect_through(relay, behind);
  const auto began = std::chrono::steady_clock::now();
  // For longer than the limit, but never idle.
  for (int i = 0; i < 8; ++i) {
    std::this_thread::sleep_for(100ms);
    write_all(on.client.get(), "x");
    REQUIRE(hears(on.server.get(), "x"));
  }
  CHECK(std::chrono::steady_clock::now() - began >= 800ms);
  CHECK(support::hear_out(on.client.get()).how == ending::end);
  CHECK(support::hear_out(on.server.get()).how == ending::end);
  CHECK(relay.comes_to("idle", 1));
}

TEST_CASE("examples/tcp_relay: without an idle timeout silence ends nothing") {
  const backend behind;
  running_relay relay(behind.address(), {"--idle-timeout", "0"});
  const through on = connect_through(relay, behind);
  std::this_thread::sleep_for(300ms);
  write_all(on.server.get(), "still here");
  CHECK(hears(on.client.get(), "still here"));
}

TEST_CASE("examples/tcp_relay: a reset is passed on, after what was said before it") {
  const backend behind;
  running_relay relay(behind.address());
  const std::string said = bytes_at(0, 300'000);
  SUBCASE("by the server") {
    through on = connect_through(relay, behind);
    write_all(on.server.get(), said);
    CHECK(relay.comes_to("bytes_to_client", said.size()));
    support::reset_on_close(on.server.get());
    on.server = {};
    const heard got = support::hear_out(on.client.get());
    CHECK(got.how == ending::reset);
    CHECK(got.bytes == said);
    CHECK(relay.comes_to("upstream_reset", 1));
  }
  SUBCASE("by the client") {
    through on = connect_through(relay, behind);
    write_all(on.client.get(), said);
    CHECK(relay.comes_to("bytes_to_upstream", said.size()));
    support::reset_on_close(on.client.get());
    on.client = {};
    const heard got = support::hear_out(on.server.get());
    CHECK(got.how == ending::reset);
    CHECK(got.bytes == said);
    CHECK(relay.comes_to("client_reset", 1));
  }
}

TEST_CASE("examples/tcp_relay: the death of a peer's process is heard at the other end") {
  const backend behind;
  for (const bool client_dies : {true, false}) {
    for (const bool bytes_unread : {true, false}) {
      CAPTURE(client_dies);
      CAPTURE(bytes_unread);
      running_relay relay(behind.address());
      const std::size_t before = support::descriptors_of(relay.id()).sockets;
      {
        through on = connect_through(relay, behind);
        zc::fd& dying = client_dies ? on.client : on.server;
        const zc::fd& living = client_dies ? on.server : on.client;
        write_all(dying.get(), "last words");
        if (bytes_unread) {
          write_all(living.get(), "never read");
          CHECK(relay.comes_to(client_dies ? "bytes_to_client" : "bytes_to_upstream", 10));
        }
        holder process(std::move(dying));
        process.kill();
        const heard got = support::hear_out(living.get());
        // With bytes that nobody has read the kernel ends it by a reset.
        CHECK(got.how == (bytes_unread ? ending::reset : ending::end));
        CHECK(got.bytes == "last words");
      }
      CHECK(relay.comes_to("active", 0));
      CHECK(support::descriptors_of(relay.id()).sockets == before);
    }
  }
}

// UBSan looks at objects through a pipe: without a descriptor for that it finds fault with all.
#ifndef ZC_TEST_ASAN
TEST_CASE(
    "examples/tcp_relay: out of descriptors it lets nobody in, says so, and goes on when there are "
    "some") {
  const backend behind;
  running_relay relay(behind.address(), {}, {.descriptors = 64});
  const auto says = [&](const char* text) {
    return relay.process().complaints().find(text) != std::string::npos;
  };
  std::vector<zc::fd> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(support::reach(relay.address()));
  CHECK(support::comes_true([&] { return says("full, "); }));
  clients.clear();
  // A relay goes on until the server has said its last, too.
  CHECK(support::comes_true([&] {
    while (behind.is_asked_for()) behind.accept();
    return statistic(relay.ask(), "active") == 0;
  }));
  const through on = connect_through(relay, behind);
  write_all(on.client.get(), "hello");
  CHECK(hears(on.server.get(), "hello"));
}
#endif

TEST_SUITE_END();
