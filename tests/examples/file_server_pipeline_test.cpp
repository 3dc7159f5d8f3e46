#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>

#include "examples/file_server_support.hpp"
#include "examples/http_client.hpp"
#include "support/descriptors.hpp"

// Many requests over one connection, and many packets for one request.

TEST_SUITE_BEGIN("kernel");

namespace {

using namespace std::chrono_literals;
using support::file_server;
using support::http_answer;
using support::http_client;
using support::request;

constexpr std::size_t big = 32 << 20;

}  // namespace

TEST_CASE("examples/file_server: a client that has finished sending still gets its answers") {
  file_server server;
  server.add("big", big);
  http_client client(server.address());
  client.send(request("GET", "/big") + request("HEAD", "/none"));
  client.finish_sending();
  CHECK(support::are_bytes_at(client.receive().body, 0));
  CHECK(client.receive(http_client::to::head).status == 404);
  CHECK(client.ends());
}

TEST_CASE("examples/file_server: requests that come at once are answered in their order") {
  file_server server;
  server.add("file", 3000);
  server.add("large", 300'000);
  std::string all;
  for (int i = 0; i < 100; ++i) {
    all += request("GET", "/file");
    all += request("HEAD", "/large");
    all += request("GET", "/none");
    all += request("GET", "/large", "Range: bytes=" + std::to_string(i) + "-100000\r\n");
    all += request("GET", "/large");
  }
  all += request("GET", "/file", "Connection: close\r\n");
  all += request("GET", "/file");
  http_client client(server.address());
  // From another thread: neither side may wait for the other to read first.
  std::thread sender([&] { client.send(all); });
  for (int i = 0; i < 100; ++i) {
    CHECK(client.receive().body.size() == 3000);
    CHECK(client.receive(http_client::to::head).content_length() == 300'000);
    CHECK(client.receive().status == 404);
    const http_answer part = client.receive();
    CHECK(part.status == 206);
    CHECK(support::are_bytes_at(part.body, static_cast<std::uint64_t>(i)));
    CHECK(client.receive().body == support::bytes_at(0, 300'000));
  }
  sender.join();
  CHECK(client.receive().closes());
  CHECK(client.rest() == "");  // nothing comes after a close
}

TEST_CASE("examples/file_server: answers do not wait for the client to acknowledge those before") {
  file_server server;
  server.add("file", 10);
  const std::string one = request("GET", "/file");
  http_client client(server.address());
  const auto time_of = [](auto body) {
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; ++i) body();
    return std::chrono::steady_clock::now() - began;
  };
  const auto one_by_one = time_of([&] {
    for (int i = 0; i < 3; ++i) client.ask(one);
  });
  const auto at_once = time_of([&] {
    client.send(one + one + one);
    for (int i = 0; i < 3; ++i) client.receive();
  });
  // An acknowledgement that is put off takes 40 ms, and nearly each of the 100 would be.
  CHECK(at_once < 2 * one_by_one + 1s);
}

TEST_CASE("examples/file_server: a request that comes byte by byte is a request") {
  file_server server;
  server.add("file", 10);
  http_client client(server.address());
  const int at_once = 1;
  ::setsockopt(client.socket(), IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
  const std::string one = request("GET", "/file");
  // Empty lines before a request are to be skipped.
  for (const std::string& bytes : {one + one, "\r\n" + one + one, "\r\n\r\n" + one + one}) {
    for (const char each : bytes) client.send(std::string(1, each));
    CHECK(client.receive().body == support::bytes_at(0, 10));
    CHECK(client.receive().body == support::bytes_at(0, 10));
  }
}

TEST_SUITE_END();
