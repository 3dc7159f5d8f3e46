#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

#include "../examples/server/proxy_protocol.hpp"
#include "examples/process_view.hpp"
#include "examples/tcp_relay_support.hpp"
#include "support/process.hpp"
#include "zc/address.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using server::proxy_protocol::encode;
using server::proxy_protocol::endpoints;
using server::proxy_protocol::version;
using support::backend;
using support::connect_through;
using support::ending;
using support::heard;
using support::hears;
using support::running_relay;
using support::through;
using support::write_all;

const std::string v2_begin("\r\n\r\n\0\r\nQUIT\n", 12);

endpoints ends_of(const std::string& source, const std::string& destination) {
  return {zc::address::parse(source), zc::address::parse(destination)};
}

/// What the client's connection looks like to the relay.
endpoints seen_by_relay(const zc::fd& client) {
  return {zc::local_address(client.get()).unmapped(), zc::peer_address(client.get()).unmapped()};
}

const endpoints elsewhere = ends_of("192.0.2.7:4711", "198.51.100.1:443");
const std::string elsewhere_v1 = "PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n";

/// Whatever a relay accepts, it says to the next by version 1: what it has understood.
running_relay accepting(const backend& behind) {
  return running_relay(behind.address(), {"--accept-proxy", "--send-proxy", "v1"});
}

/// Sends these bytes and no more, and hears at the server what is expected, and the end.
void check_passes(const running_relay& relay, const backend& behind, const std::string& bytes,
                  const std::string& expected) {
  const zc::fd client = support::reach(relay.address());
  write_all(client.get(), bytes);
  ::shutdown(client.get(), SHUT_WR);
  const zc::fd server = behind.accept();
  const heard got = support::hear_out(server.get());
  CHECK(got.how == ending::end);
  CHECK(got.bytes == expected);
  write_all(server.get(), "answer");
  ::shutdown(server.get(), SHUT_WR);
  CHECK(support::hear_out(client.get()).bytes == "answer");
}

}  // namespace

TEST_CASE("examples/tcp_relay: the upstream is told who the client is, and then what it says") {
  const backend behind;
  for (const version as : {version::v1, version::v2}) {
    for (const char* listen : {"127.0.0.1:0", "[::1]:0"}) {
      running_relay relay(behind.address(),
                          {"--listen", listen, "--send-proxy", as == version::v1 ? "v1" : "v2"});
      const through on = connect_through(relay, behind);
      // Before the client has said anything.
      CHECK(hears(on.server.get(), encode(as, seen_by_relay(on.client))));
      write_all(on.client.get(), "hello");
      CHECK(hears(on.server.get(), "hello"));
      write_all(on.server.get(), "hello yourself");
      CHECK(hears(on.client.get(), "hello yourself"));
    }
  }
}

TEST_CASE("examples/tcp_relay: an IPv4 client of a listener for both families is told as IPv4") {
  const backend behind;
  running_relay relay(behind.address(), {"--listen", "[::]:0", "--send-proxy", "v1"});
  const std::string port = relay.address().substr(relay.address().rfind(':'));
  const zc::fd client = support::reach("127.0.0.1" + port);
  const zc::fd server = behind.accept();
  const std::string own_port = std::to_string(zc::local_address(client.get()).port());
  CHECK(hears(server.get(),
              "PROXY TCP4 127.0.0.1 127.0.0.1 " + own_port + " " + port.substr(1) + "\r\n"));
}

TEST_CASE("examples/tcp_relay: what a client tells is passed on, and no byte behind it is lost") {
  const backend behind;
  running_relay relay = accepting(behind);
  const std::string payload = support::bytes_at(0, 100'000);
  const std::string extensions =
      "\x03\x00\x04"
      "abcd";
  for (const std::string& behind_it : {std::string(), std::string("x"), payload}) {
    for (const version as : {version::v1, version::v2}) {
      check_passes(relay, behind, encode(as, elsewhere) + behind_it, elsewhere_v1 + behind_it);
    }
    const endpoints v6 = ends_of("[2001:db8::1]:1", "[2001:db8::2]:2");
    check_passes(relay, behind, encode(version::v2, v6) + behind_it,
                 encode(version::v1, v6) + behind_it);
  }
}

TEST_CASE("examples/tcp_relay: a header may come in pieces, its payload at any moment") {
  const backend behind;
  running_relay relay = accepting(behind);
  for (const version as : {version::v1, version::v2}) {
    const through on = [&] {
      through both;
      both.client = support::reach(relay.address());
      for (const char each : encode(as, elsewhere)) {
        write_all(both.client.get(), std::string(1, each));
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
      both.server = behind.accept();
      return both;
    }();
    CHECK(hears(on.server.get(), elsewhere_v1));
    write_all(on.client.get(), "later");
    CHECK(hears(on.server.get(), "later"));
  }
}

TEST_CASE("examples/tcp_relay: extensions of a header are skipped, as long as they may be") {
  const backend behind;
  running_relay relay = accepting(behind);
  for (const std::size_t extra :
       {std::size_t{1}, std::size_t{512}, std::size_t{513}, std::size_t{65535 - 12}}) {
    CAPTURE(extra);
    std::string header = encode(version::v2, elsewhere);
    const std::size_t size = 12 + extra;
    header[14] = static_cast<char>(size >> 8);
    header[15] = static_cast<char>(size & 0xff);
    check_passes(relay, behind, header + std::string(extra, 'T') + "payload",
                 elsewhere_v1 + "payload");
  }
}

TEST_CASE("examples/tcp_relay: of a header that tells nothing the connection's own ends are used") {
  const backend behind;
  running_relay relay = accepting(behind);
  const std::string local = v2_begin + std::string("\x20\x00\x00\x00", 4);
  const std::string unspec = v2_begin + std::string("\x21\x00\x00\x00", 4);
  for (const std::string& header : {std::string("PROXY UNKNOWN\r\n"), local, unspec}) {
    const zc::fd client = support::reach(relay.address());
    write_all(client.get(), header + "payload");
    const zc::fd server = behind.accept();
    CHECK(hears(server.get(), encode(version::v1, seen_by_relay(client)) + "payload"));
  }
}

TEST_CASE("examples/tcp_relay: what is no PROXY header is reset, and never reaches the upstream") {
  const backend behind;
  running_relay relay = accepting(behind);
  std::uint64_t refused = 0;
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\n\r\n"),
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n" + std::string(), "PROXY " + std::string(200, 'x'),
        v2_begin + std::string("\x31\x11\x00\x0c", 4)}) {
    CAPTURE(bytes);
    const zc::fd client = support::reach(relay.address());
    write_all(client.get(), bytes);
    const heard got = support::hear_out(client.get());
    CHECK(got.how == ending::reset);
    CHECK(got.bytes == "");
    ++refused;
  }
  for (const std::string& cut : {std::string(), elsewhere_v1.substr(0, 30), v2_begin}) {
    CAPTURE(cut);
    const zc::fd client = support::reach(relay.address());
    write_all(client.get(), cut);
    ::shutdown(client.get(), SHUT_WR);
    CHECK(support::hear_out(client.get()).how != ending::silence);
    ++refused;
  }
  CHECK(relay.comes_to("bad_header", refused));
  CHECK_FALSE(behind.is_asked_for());
  check_passes(relay, behind, elsewhere_v1 + "payload", elsewhere_v1 + "payload");
  const std::string said = relay.stop();
  CHECK(said.find("tcp_relay: 127.0.0.1:") != std::string::npos);
}

TEST_CASE("examples/tcp_relay: who takes too long for a header is reset") {
  const backend behind;
  running_relay relay(behind.address(), {"--accept-proxy", "--header-timeout", "0.3"});
  const zc::fd silent = support::reach(relay.address());
  const zc::fd slow = support::reach(relay.address());
  write_all(slow.get(), elsewhere_v1.substr(0, elsewhere_v1.size() - 1));
  CHECK(support::hear_out(silent.get()).how == ending::reset);
  CHECK(support::hear_out(slow.get()).how == ending::reset);
  CHECK(relay.comes_to("bad_header", 2));
  CHECK_FALSE(behind.is_asked_for());
}

TEST_CASE("examples/tcp_relay: two of them in a row keep who the client is") {
  const backend behind;
  running_relay second(behind.address(), {"--accept-proxy", "--send-proxy", "v1"});
  running_relay first(second.address(), {"--send-proxy", "v2"});
  const through on = connect_through(first, behind);
  write_all(on.client.get(), "hello");
  CHECK(hears(on.server.get(), encode(version::v1, seen_by_relay(on.client)) + "hello"));
}

TEST_SUITE_END();
