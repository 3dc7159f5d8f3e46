#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "../examples/server/proxy_protocol.hpp"
#include "examples/other_servers.hpp"
#include "examples/process_view.hpp"
#include "examples/ship_support.hpp"
#include "examples/tcp_relay_support.hpp"
#include "zc/address.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using server::proxy_protocol::encode;
using server::proxy_protocol::version;
using support::backend;
using support::bytes_at;
using support::haproxy;
using support::heard;
using support::hears;
using support::make_file;
using support::nginx;
using support::program;
using support::running_relay;
using support::write_all;

constexpr std::size_t mebibyte = 1 << 20;

program::result curl(std::vector<std::string> words) {
  words.insert(words.begin(), {support::installed("curl"), "-sS", "--max-time", "50"});
  return support::run_program(std::move(words));
}

/// What a listener for the PROXY protocol says of `client`, which has connected to the relay.
std::string told_of(const zc::fd& client) {
  return encode(version::v1, {zc::local_address(client.get()), zc::peer_address(client.get())});
}

}  // namespace

TEST_CASE("examples/tcp_relay: in front of nginx, curl gets every byte") {
  const support::temporary_directory at;
  make_file(at.path() / "large", bytes_at(0, 10 * mebibyte));
  const nginx behind(at.path(), "listen 127.0.0.1:PORT;\n");
  running_relay relay(behind.address());
  const std::string url = "http://" + relay.address() + "/large";
  const program::result done = curl({url});
  CHECK(done.code == 0);
  CHECK(done.out.size() == 10 * mebibyte);
  CHECK(support::are_bytes_at(done.out, 0));
  const program::result some = curl({"-r", "1000000-1999999", url});
  CHECK(some.out.size() == 1'000'000);
  CHECK(support::are_bytes_at(some.out, 1'000'000));
}

TEST_CASE("examples/tcp_relay: requests one after the other use one connection to nginx") {
  const support::temporary_directory at;
  for (int i = 1; i <= 100; ++i) {
    make_file(at.path() / std::to_string(i), std::to_string(i) + "\n");
  }
  const nginx behind(at.path(), "listen 127.0.0.1:PORT;\n");
  running_relay relay(behind.address());
  const program::result done = curl({"http://" + relay.address() + "/[1-100]"});
  CHECK(done.code == 0);
  std::string expected;
  for (int i = 1; i <= 100; ++i) expected += std::to_string(i) + "\n";
  CHECK(done.out == expected);
  CHECK(relay.comes_to("accepted", 1));
}

TEST_CASE("examples/tcp_relay: an upload to nginx is one that it answers") {
  const support::temporary_directory at;
  make_file(at.path() / "body", bytes_at(0, 5 * mebibyte));
  // It reads no more than the head, answers, and resets: the answer still comes through.
  const nginx behind(at.path(), "listen 127.0.0.1:PORT;\nclient_max_body_size 1m;\n");
  running_relay relay(behind.address());
  const program::result done =
      curl({"-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect:", "--data-binary",
            "@" + (at.path() / "body").string(), "http://" + relay.address() + "/"});
  CHECK(done.out == "413");
}

TEST_CASE("examples/tcp_relay: nginx understands who the client is, by either version") {
  const support::temporary_directory at;
  const nginx behind(
      at.path(),
      "listen 127.0.0.1:PORT proxy_protocol;\n"
      "location / { return 200 \"$proxy_protocol_addr $proxy_protocol_server_port\"; "
      "}\n");
  for (const char* as : {"v1", "v2"}) {
    running_relay relay(behind.address(), {"--send-proxy", as});
    const std::string port = relay.address().substr(relay.address().rfind(':') + 1);
    const program::result done = curl({"http://" + relay.address() + "/"});
    CHECK(done.out == "127.0.0.1 " + port);
  }
}

TEST_CASE("examples/tcp_relay: HAProxy behind it understands who the client is") {
  const backend behind;
  const std::string address = support::free_address();
  const haproxy middle(address, "listen one\n  bind " + address + " accept-proxy\n  server one " +
                                    behind.address() + " send-proxy\n");
  for (const char* as : {"v1", "v2"}) {
    running_relay relay(address, {"--send-proxy", as});
    const zc::fd client = support::reach(relay.address());
    write_all(client.get(), "hello");
    const zc::fd server = behind.accept();
    CHECK(hears(server.get(), told_of(client) + "hello"));
  }
}

TEST_CASE("examples/tcp_relay: behind HAProxy it understands who the client is") {
  const backend behind;
  running_relay relay(behind.address(), {"--accept-proxy", "--send-proxy", "v1"});
  for (const char* as : {"send-proxy", "send-proxy-v2"}) {
    const std::string address = support::free_address();
    const haproxy front(address, "listen one\n  bind " + address + "\n  server one " +
                                     relay.address() + " " + as + "\n");
    const zc::fd client = support::reach(address);
    write_all(client.get(), "hello");
    // The first is how the test learned that HAProxy listens.
    while (!hears(behind.accept().get(), told_of(client) + "hello")) continue;
  }
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("slow");

TEST_CASE("examples/tcp_relay: wrk has no request to nginx that fails") {
  const support::temporary_directory at;
  make_file(at.path() / "small", bytes_at(0, 1000));
  const nginx behind(at.path(), "listen 127.0.0.1:PORT;\nkeepalive_requests 1000000000;\n");
  running_relay relay(behind.address(), {"--threads", "2"});
  const program::result done = support::run_program(
      {support::installed("wrk"), "-t1", "-c32", "-d3s", "http://" + relay.address() + "/small"});
  CHECK(done.code == 0);
  CHECK(done.out.find("requests in") != std::string::npos);
  CHECK(done.out.find("Socket errors") == std::string::npos);
  CHECK(done.out.find("Non-2xx") == std::string::npos);
  CHECK(relay.comes_to("active", 0));
}

TEST_SUITE_END();
