#include <doctest/doctest.h>
#include <signal.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <string>
#include <vector>

#include "examples/file_server_support.hpp"
#include "examples/http_client.hpp"
#include "examples/process_view.hpp"
#include "support/descriptors.hpp"
#include "support/sanitizers.hpp"

// Clients that vanish, files that change, and too little of everything.

TEST_SUITE_BEGIN("kernel");

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using support::file_server;
using support::http_client;
using support::program;
using support::request;

constexpr std::size_t big = 32 << 20;

/// Whether the server is back at no clients, and holds no more than it did.
bool is_back_at(const file_server& server, const support::descriptor_counts& before) {
  const pid_t id = server.id();
  return server.comes_to_clients(0) &&
         support::comes_true([&] { return support::descriptors_of(id).all() <= before.all(); });
}

using phase = void (*)(http_client& client);

/// Where in its life a connection is reset.
const std::vector<phase> phases{
    [](http_client&) {},
    [](http_client& client) { client.send("G"); },
    [](http_client& client) { client.send("GET /big HTTP/1.1\r\nHost: local"); },
    [](http_client& client) { client.send(request("GET", "/big")); },
    [](http_client& client) { client.ask(request("HEAD", "/big"), http_client::to::head); },
    [](http_client& client) {
      client.send(request("GET", "/big"));
      client.receive_head();
    },
    [](http_client& client) {
      client.send(request("GET", "/big", "Range: bytes=0-9999999,20000000-\r\n"));
      client.receive_bytes(10'000);
    },
    [](http_client& client) {
      for (int i = 0; i < 20; ++i) client.send(request("GET", "/big"));
      client.receive_bytes(1'000'000);
    },
    [](http_client& client) {
      client.send(request("POST", "/big", "Content-Length: 100\r\n") + "begun");
    },
};

/// Each phase, by many clients at once.
void reset_in_each_phase(const file_server& server) {
  for (const phase each : phases) {
    std::deque<http_client> clients;
    for (int i = 0; i < 8; ++i) each(clients.emplace_back(server.address()));
    for (http_client& client : clients) client.reset();
  }
}

/// A client of its own process, in the middle of a download.
class killed_client {
 public:
  explicit killed_client(const file_server& from)
      : out_(support::make_pipe()),
        curl_({support::installed("curl"), "--disable", "--silent", "--noproxy", "*",
               from.url("/big")},
              {.out = out_.second.get()}) {
    out_.second = zc::fd();
    // It has got something, and stands with its output full.
    CHECK(support::read_some(out_.first.get(), 1000).size() > 0);
  }

  void kill() {
    curl_.signal(SIGKILL);
    CHECK(curl_.finish().code == 128 + SIGKILL);
  }

 private:
  support::ends out_;
  program curl_;
};

}  // namespace

TEST_CASE("examples/file_server: clients that reset their connection leave nothing behind") {
  file_server server;
  server.add("big", big);
  // The first round has it take the pipes that it keeps.
  reset_in_each_phase(server);
  REQUIRE(server.comes_to_clients(0));
  const support::descriptor_counts before = support::descriptors_of(server.id());
  for (int i = 0; i < 3; ++i) reset_in_each_phase(server);
  CHECK(is_back_at(server, before));
  CHECK(server.get("/big").body.size() == big);
}

TEST_CASE("examples/file_server: killed clients leave nothing behind") {
  file_server server;
  server.add("big", big);
  const auto round = [&] {
    std::deque<killed_client> clients;
    for (int i = 0; i < 4; ++i) clients.emplace_back(server);
    CHECK(server.clients() == 4);
    for (killed_client& each : clients) each.kill();
  };
  round();
  REQUIRE(server.comes_to_clients(0));
  const support::descriptor_counts before = support::descriptors_of(server.id());
  round();
  CHECK(is_back_at(server, before));
  CHECK(server.get("/big").body.size() == big);
}

TEST_CASE("examples/file_server: a file that shrinks ends the connection, one replaced does not") {
  file_server server;
  const fs::path file = server.add("big", big);
  {
    http_client client(server.address(), {.receive_buffer_bytes = 64 << 10});
    client.send(request("GET", "/big"));
    CHECK(client.receive_head().content_length() == big);
    fs::rename(server.add("other", "another"), file);
    CHECK(client.receive_bytes(big) == support::bytes_at(0, big));
    CHECK(client.ask(request("GET", "/big")).body == "another");
  }
  {
    const fs::path shrinking = server.add("shrinking", big);
    http_client client(server.address(), {.receive_buffer_bytes = 64 << 10});
    client.send(request("GET", "/shrinking"));
    CHECK(client.receive_head().content_length() == big);
    fs::resize_file(shrinking, 1000);
    const std::string body = client.receive_bytes(big);
    CHECK(body.size() < big);
    // What is cut off a file may become zeros even where it has been sent already.
    CHECK(support::are_bytes_at(std::string_view(body).substr(0, 1000), 0));
  }
  CHECK(server.comes_to_clients(0));
}

#ifndef ZC_TEST_ASAN
TEST_CASE("examples/file_server: without descriptors it accepts no more, says so, and recovers") {
  file_server server({}, {.descriptors = 60});
  server.add("file", 10);
  std::deque<http_client> clients;
  for (int i = 0; i < 100; ++i) clients.emplace_back(server.address());
  CHECK(support::comes_true([&] { return !server.process().complaints().empty(); }));
  clients.erase(clients.begin(), clients.begin() + 90);
  // The last of them waited in the kernel's queue.
  CHECK(clients.back().ask(request("GET", "/file")).status == 200);
  clients.clear();
  for (int i = 0; i < 10; ++i) CHECK(server.get("/file").status == 200);
  CHECK(server.comes_to_clients(0));
  const program::result ended = server.stop(SIGTERM);
  CHECK(ended.code == 0);
  CHECK(ended.err.find("full, ") != std::string::npos);
}

TEST_CASE("examples/file_server: however few descriptors there are, no answer fails for them") {
  file_server server({}, {.descriptors = 60});
  server.add("file", 10);
  std::deque<http_client> clients;
  for (int i = 0; i < 100; ++i) clients.emplace_back(server.address());
  REQUIRE(support::comes_true([&] { return !server.process().complaints().empty(); }));
  for (std::size_t i = 0; i < 5; ++i) {
    clients[i].send(request("GET", "/file"));
    if (!clients[i].hears_within(1s)) continue;
    const int status = clients[i].receive().status;
    CHECK(status == 200);
  }
  clients.clear();
  CHECK(server.comes_to_clients(0));
  CHECK(server.get("/file").status == 200);
  CHECK(server.stop(SIGTERM).code == 0);
}
#endif

TEST_CASE(
    "examples/file_server: beyond its limit of connections clients wait, and then are served") {
  file_server server({"--connections", "4"});
  server.add("file", 10);
  std::deque<http_client> clients;
  for (int i = 0; i < 12; ++i) {
    clients.emplace_back(server.address());
    clients.back().send(request("GET", "/file"));
  }
  for (std::size_t i = 0; i < 4; ++i) CHECK(clients[i].receive().status == 200);
  CHECK(server.clients() == 4);
  CHECK(!clients.back().hears_within(200ms));
  while (!clients.empty()) {
    clients.pop_front();
    if (clients.size() >= 4) CHECK(clients[3].receive().status == 200);
  }
  CHECK(server.comes_to_clients(0));
  server.stop(SIGTERM);
}

TEST_CASE("examples/file_server: every one of its threads gets connections") {
  file_server server({"--threads", "2"});
  server.add("file", 10);
  const auto before = support::waits_of(server.id());
  for (int i = 0; i < 200; ++i) CHECK(server.get("/file").status == 200);
  const auto after = support::waits_of(server.id());
  REQUIRE(before.size() <= after.size());
  std::size_t busy = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (after[i] - before[i] > 20) ++busy;
  }
  CHECK(busy == 2);
}

TEST_CASE("examples/file_server: kept open, files are bounded, and a change is seen soon") {
  file_server server({"--file-cache"});
  for (int i = 0; i < 1100; ++i) server.add(std::to_string(i), 10);
  const fs::path changing = server.add("changing", "before");
  const support::descriptor_counts before = support::descriptors_of(server.id());
  http_client client(server.address());
  for (int i = 0; i < 1100; ++i) {
    CHECK(client.ask(request("GET", "/" + std::to_string(i))).body.size() == 10);
  }
  CHECK(support::descriptors_of(server.id()).others <= before.others + 1000);

  CHECK(server.get("/changing").body == "before");
  fs::rename(server.add("new", "and after"), changing);
  CHECK(support::comes_true([&] { return server.get("/changing").body == "and after"; }));
  fs::remove(changing);
  CHECK(support::comes_true([&] { return server.get("/changing").status == 404; }));
  client.reset();
  CHECK(is_back_at(server, before));
}

TEST_SUITE_END();
