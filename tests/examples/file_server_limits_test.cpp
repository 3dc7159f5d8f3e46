#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

#include "examples/file_server_support.hpp"
#include "examples/http_client.hpp"
#include "examples/process_view.hpp"
#include "support/descriptors.hpp"
#include "support/process.hpp"

// How long the server waits for a client, and how it ends.

TEST_SUITE_BEGIN("kernel");

namespace {

using namespace std::chrono_literals;
using support::file_server;
using support::http_client;
using support::program;
using support::request;

constexpr std::size_t big = 64 << 20;  // more than any socket's buffers hold

/// Sends a byte of an endless head every now and then until the other side has had enough; false
/// where it never has.
bool is_cut_off_while_sending(http_client& client, const std::string& begin) {
  const std::string field = "Name: value\r\n";
  const auto until = std::chrono::steady_clock::now() + 20s * support::slowdown();
  for (std::size_t at = 0; std::chrono::steady_clock::now() < until; ++at) {
    const char next = at < begin.size() ? begin[at] : field[(at - begin.size()) % field.size()];
    if (!client.send({&next, 1}) || client.hears_within(20ms)) return true;
  }
  return false;
}

/// RFC 9110 has 408 for a request that takes too long; its client may not hear of it any more.
bool is_408_or_nothing(const std::string& said) {
  if (said.empty()) return true;
  const auto answer = support::parse_answer(said.substr(0, said.find("\r\n\r\n") + 4));
  return answer.status == 408 && answer.closes();
}

/// A client that is in the middle of a download, and does not read on by itself.
class download {
 public:
  explicit download(const file_server& from, const std::string& target = "/big")
      : client_(from.address(), {.receive_buffer_bytes = 64 << 10}) {
    client_.send(request("GET", target));
    nbytes_ = client_.receive_head().content_length();
  }

  /// Whether all of it comes, and is right.
  bool completes() {
    const std::string body = client_.receive_bytes(nbytes_);
    return body.size() == nbytes_ && support::are_bytes_at(body, 0);
  }
  http_client& client() { return client_; }

 private:
  http_client client_;
  std::size_t nbytes_ = 0;
};

bool refuses(const file_server& server) {
  try {
    const http_client client(server.address());
    return false;
  } catch (const std::system_error& error) {
    return error.code() == std::errc::connection_refused;
  }
}

}  // namespace

TEST_CASE("examples/file_server: a head that trickles in ends by the limit on heads") {
  file_server server({"--header-timeout", "1", "--idle-timeout", "600"});
  server.add("file", 10);
  const std::string line = "GET /file HTTP/1.1\r\n";
  for (const std::string_view before : {std::string_view(), std::string_view(line)}) {
    CAPTURE(before);
    http_client client(server.address());
    const auto began = std::chrono::steady_clock::now();
    client.send(before);
    CHECK(is_cut_off_while_sending(client, before.empty() ? line : "Host: localhost\r\n"));
    CHECK(std::chrono::steady_clock::now() - began > 500ms);
    CHECK(is_408_or_nothing(client.rest()));
  }
  // It counts anew for each request.
  http_client client(server.address());
  CHECK(client.ask(request("GET", "/file")).status == 200);
  client.send("GET /file HT");
  CHECK(is_408_or_nothing(client.rest()));
  CHECK(server.comes_to_clients(0));
}

TEST_CASE("examples/file_server: a connection that says nothing ends by the limit on idling") {
  file_server server({"--header-timeout", "600", "--idle-timeout", "1"});
  server.add("file", 10);
  http_client client(server.address());
  CHECK(client.ask(request("GET", "/file")).status == 200);
  CHECK(client.ends());
  CHECK(server.comes_to_clients(0));
}

TEST_CASE("examples/file_server: a connection that never says a word ends, too") {
  file_server server({"--header-timeout", "1", "--idle-timeout", "1"});
  http_client client(server.address());
  CHECK(client.rest().find(" 200 ") == std::string::npos);
  CHECK(server.comes_to_clients(0));
}

TEST_CASE("examples/file_server: a body that never comes does not keep a connection") {
  file_server server({"--header-timeout", "1", "--idle-timeout", "1", "--send-timeout", "1"});
  server.add("file", 10);
  http_client client(server.address());
  client.send(request("POST", "/file", "Content-Length: 100\r\n") + "begun");
  CHECK(client.rest().rfind("HTTP/1.1 4", 0) == 0);
  CHECK(server.comes_to_clients(0));
}

TEST_CASE("examples/file_server: who does not read what it asked for is let go of") {
  file_server server({"--send-timeout", "1"});
  server.add("big", big);
  download stalled(server);
  CHECK(server.clients() == 1);
  CHECK(server.comes_to_clients(0));
  CHECK(!stalled.completes());
}

TEST_CASE("examples/file_server: asked to stop, it ends idle connections and finishes downloads") {
  file_server server({"--grace", "50"});
  server.add("big", big);
  server.add("file", 10);
  http_client idle(server.address());
  CHECK(idle.ask(request("GET", "/file")).status == 200);
  http_client silent(server.address());
  http_client talking(server.address());
  download running(server);
  talking.send("GET /file HTTP/1.1\r\nHost: local");
  REQUIRE(server.comes_to_clients(4));

  server.process().signal(SIGTERM);
  CHECK(idle.ends());
  CHECK(silent.rest() == "");
  CHECK(support::comes_true([&] { return refuses(server); }));
  // What has begun to be asked is either answered, and then the last, or ends.
  talking.send("host\r\n\r\n");
  if (const auto last = talking.receive_if_any()) CHECK(last->closes());
  CHECK(talking.rest() == "");
  CHECK(running.completes());
  CHECK(running.client().ends());
  CHECK(server.stop(SIGTERM).code == 0);
}

TEST_CASE("examples/file_server: asked to stop, it waits no longer than its grace") {
  for (const int signal : {SIGTERM, SIGINT}) {
    CAPTURE(signal);
    file_server server({"--grace", "1"});
    server.add("big", big);
    download stalled(server);
    const auto began = std::chrono::steady_clock::now();
    const program::result ended = server.stop(signal);
    CHECK(ended.code == 0);
    CHECK(std::chrono::steady_clock::now() - began > 500ms);
    CHECK(!stalled.completes());
  }
}

TEST_CASE("examples/file_server: asked to stop twice, it does so at once") {
  file_server server({"--grace", "3600"});
  server.add("big", big);
  download stalled(server);
  server.process().signal(SIGTERM);
  REQUIRE(support::comes_true([&] { return refuses(server); }));
  const program::result ended = server.stop(SIGTERM);
  CHECK(ended.code != -1);
  CHECK(!stalled.completes());
}

TEST_CASE("examples/file_server: without clients it stops at once") {
  for (const int signal : {SIGTERM, SIGINT}) {
    file_server server({"--grace", "3600", "--threads", "2"});
    CHECK(server.stop(signal).code == 0);
  }
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("slow");

TEST_CASE("examples/file_server: who reads slowly, but does, gets all of it") {
  file_server server({"--send-timeout", "2", "--header-timeout", "1", "--idle-timeout", "600"});
  constexpr std::size_t nbytes = 16 << 20;
  server.add("file", nbytes);
  http_client client(server.address(), {.receive_buffer_bytes = 64 << 10});
  client.send(request("GET", "/file"));
  CHECK(client.receive_head().content_length() == nbytes);
  std::size_t got = 0;
  bool right = true;
  while (got < nbytes) {
    const std::string some = client.receive_bytes(std::min<std::size_t>(64 << 10, nbytes - got));
    REQUIRE(!some.empty());
    right = right && support::are_bytes_at(some, got);
    got += some.size();
    std::this_thread::sleep_for(20ms);
  }
  CHECK(right);
  CHECK(client.ask(request("GET", "/file")).status == 200);
}

TEST_CASE("examples/file_server: a connection that is used now and then stays") {
  const auto limit = 2s * support::slowdown();
  const std::string seconds = std::to_string(limit.count());
  file_server server({"--idle-timeout", seconds, "--header-timeout", seconds});
  server.add("file", 10);
  http_client client(server.address());
  for (int i = 0; i < 12; ++i) {
    CHECK(client.ask(request("GET", "/file")).status == 200);
    std::this_thread::sleep_for(std::chrono::milliseconds(limit) / 4);
  }
}

TEST_SUITE_END();
