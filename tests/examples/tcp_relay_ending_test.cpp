// What has been said through tcp_relay arrives, however the connection ends.

#include <doctest/doctest.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <string>
#include <thread>

#include "examples/tcp_relay_support.hpp"
#include "support/descriptors.hpp"
#include "support/process.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using namespace std::chrono_literals;
using support::backend;
using support::connect_through;
using support::ending;
using support::heard;
using support::running_relay;
using support::through;

/// Has little room for what its peer sends.
void receive_little(const zc::fd& socket) {
  const int bytes = 8192;
  REQUIRE(::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) == 0);
}

/// Sends until nothing more is taken for a while. How much it was.
std::size_t fill(int socket) {
  support::set_nonblocking(socket, true);
  const std::string piece(64 * 1024, 'x');
  std::size_t sent = 0;
  for (int refused = 0; refused < 5;) {
    const ssize_t taken = ::write(socket, piece.data(), piece.size());
    if (taken > 0) {
      sent += static_cast<std::size_t>(taken);
      refused = 0;
    } else {
      REQUIRE(errno == EAGAIN);
      ++refused;
      std::this_thread::sleep_for(20ms);
    }
  }
  support::set_nonblocking(socket, false);
  return sent;
}

}  // namespace

TEST_CASE("examples/tcp_relay: who idles with bytes unread has all that was said, both ways") {
  const backend behind;
  running_relay relay(behind.address(), {"--idle-timeout", "0.5"});
  through on = connect_through(relay, behind);
  // Both send and neither reads: there is input in the relay that it can give to nobody.
  CHECK(fill(on.server.get()) > 100'000);
  CHECK(fill(on.client.get()) > 100'000);
  std::this_thread::sleep_for(800ms);
  heard at_server;
  std::thread server([&] { at_server = support::hear_out(on.server.get()); });
  const heard at_client = support::hear_out(on.client.get());
  server.join();
  CHECK(at_client.how == ending::end);
  CHECK(at_server.how == ending::end);
  on = {};
  CHECK(relay.comes_to("idle", 1));
  const std::string counted = relay.ask();
  CHECK(support::statistic(counted, "bytes_to_client") ==
        static_cast<std::int64_t>(at_client.bytes.size()));
  CHECK(support::statistic(counted, "bytes_to_upstream") ==
        static_cast<std::int64_t>(at_server.bytes.size()));
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("slow");

TEST_CASE("examples/tcp_relay: a slow client has all that was said before a reset") {
  const backend behind;
  running_relay relay(behind.address());
  through on = connect_through(relay, behind);
  receive_little(on.client);
  const std::string said = support::bytes_at(0, 400'000);
  std::thread server([&] {
    support::write_all(on.server.get(), said);
    // What has not left here goes with the reset.
    for (int left = 1; ::ioctl(on.server.get(), SIOCOUTQ, &left) == 0 && left > 0;) {
      std::this_thread::sleep_for(1ms);
    }
    support::reset_on_close(on.server.get());
    on.server = {};
  });
  // Slower than a second for what the relay's kernel holds of it.
  heard got{{}, ending::silence};
  std::array<char, 8192> piece{};
  while (got.how == ending::silence) {
    const ssize_t some = ::recv(on.client.get(), piece.data(), piece.size(), 0);
    if (some > 0) {
      got.bytes.append(piece.data(), static_cast<std::size_t>(some));
      std::this_thread::sleep_for(10ms);
    } else {
      got.how = some == 0 ? ending::end : ending::reset;
    }
  }
  server.join();
  CHECK(got.how == ending::reset);
  CHECK(got.bytes.size() == said.size());
  CHECK((got.bytes == said));
  CHECK(relay.comes_to("upstream_reset", 1));
}

TEST_SUITE_END();
