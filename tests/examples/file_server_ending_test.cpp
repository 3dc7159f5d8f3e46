#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "examples/file_server_support.hpp"
#include "examples/http_client.hpp"
#include "support/descriptors.hpp"
#include "support/process.hpp"

// How connections end: with all of the last answer, and no later than they need to.

TEST_SUITE_BEGIN("kernel");

namespace {

using namespace std::chrono_literals;
using support::file_server;
using support::http_client;
using support::request;

constexpr std::size_t large = 8 << 20;

/// Takes `nbytes` a little at a time, and says something after each.
std::string take_talking(http_client& client, std::size_t nbytes, std::string_view said) {
  std::string got;
  while (got.size() < nbytes) {
    const std::string some =
        client.receive_bytes(std::min<std::size_t>(256 << 10, nbytes - got.size()));
    if (some.empty()) break;
    got += some;
    client.send(said);
  }
  return got;
}

}  // namespace

TEST_CASE(
    "examples/file_server: a last answer arrives whole, whatever the client sends meanwhile") {
  file_server server;
  server.add("file", large);
  struct row {
    std::string asked;
    std::string said;
  };
  for (const row& each :
       {row{"GET /file HTTP/1.0\r\n\r\n", "\r\n"},
        row{request("GET", "/file", "Connection: close\r\n"), "\r\n"},
        row{request("GET", "/file", "Connection: close\r\n"), request("GET", "/file")}}) {
    CAPTURE(each.asked);
    CAPTURE(each.said);
    http_client client(server.address(), {.receive_buffer_bytes = 8192});
    client.send(each.asked);
    CHECK(client.receive_head().content_length() == large);
    const std::string body = take_talking(client, large, each.said);
    CHECK(body.size() == large);
    CHECK(support::are_bytes_at(body, 0));
    CHECK(client.ends());
  }
  CHECK(server.comes_to_clients(0));
}

TEST_CASE("examples/file_server: who is refused hears why, however much it is sending") {
  file_server server;
  const std::string more(4 << 20, 'x');
  struct row {
    std::string asked;
    int status;
  };
  for (const row& each :
       {row{"nonsense\r\n\r\n", 400}, row{request("GET", "/", "Content-Length: 99999999\r\n"), 413},
        row{"GET /" + std::string(9000, 'a'), 414}}) {
    CAPTURE(each.status);
    http_client client(server.address());
    client.send(each.asked);
    CHECK(client.send(more));
    CHECK(client.receive().status == each.status);
    CHECK(client.ends());
  }
}

TEST_CASE("examples/file_server: who does not hang up after the last answer is not waited for") {
  file_server server;
  server.add("file", 10);
  http_client client(server.address());
  CHECK(client.ask(request("GET", "/file", "Connection: close\r\n")).status == 200);
  CHECK(server.comes_to_clients(0));
  CHECK(client.ends());
}

TEST_CASE("examples/file_server: asked to stop, it does not wait for clients that were answered") {
  file_server server({"--grace", "50"});
  server.add("file", large);
  http_client idle(server.address());
  CHECK(idle.ask(request("GET", "/file")).status == 200);
  http_client answered(server.address(), {.receive_buffer_bytes = 64 << 10});
  answered.send(request("GET", "/file"));
  CHECK(answered.receive_head().content_length() == large);
  server.process().signal(SIGTERM);
  CHECK(answered.receive_bytes(large).size() == large);
  // Both keep their sockets open.
  const auto began = std::chrono::steady_clock::now();
  CHECK(server.finish().code == 0);
  CHECK(std::chrono::steady_clock::now() - began < 10s * support::slowdown());
  CHECK(idle.ends());
  CHECK(answered.ends());
}

TEST_SUITE_END();
