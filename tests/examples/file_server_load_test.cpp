#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <regex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "examples/file_server_support.hpp"
#include "examples/http_client.hpp"
#include "examples/process_view.hpp"
#include "support/descriptors.hpp"
#include "support/process.hpp"

// Very many clients, or very busy ones.

TEST_SUITE_BEGIN("slow");

namespace {

using support::file_server;
using support::http_client;
using support::program;
using support::request;

constexpr std::size_t crowd = 9'500;

/// Room for a crowd's sockets, and as many files; false where the hard limit has none.
bool has_room_for_a_crowd() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  return files.rlim_max >= 2 * crowd + 500;
}

/// The number that `form`'s first group finds. Fails the case where it finds none.
double number_in(const std::string& text, const std::string& form) {
  std::smatch found;
  CAPTURE(text);
  REQUIRE(std::regex_search(text, found, std::regex(form)));
  return std::stod(found[1]);
}

struct row {
  std::string target;
  std::string connections;
};
const std::vector<row> loads{{"/small", "1"}, {"/small", "64"}, {"/large", "16"}};

void add_files(file_server& server) {
  server.add("small", 1000);
  server.add("large", 1'000'000);
}

}  // namespace

TEST_CASE("examples/file_server: thousands of idle connections are cheap, served, and let go of") {
  if (!has_room_for_a_crowd()) {
    MESSAGE("skipped: needs 19500 descriptors");
    return;
  }
  const support::limit room(RLIMIT_NOFILE, crowd + 400);
  file_server server({"--connections", std::to_string(crowd + 100), "--idle-timeout", "600"});
  server.add("file", 10);
  const std::string ask = request("GET", "/file");
  CHECK(server.get("/file").status == 200);
  const pid_t id = server.id();
  const std::size_t memory = support::private_bytes_of(id);
  const std::size_t threads = support::threads_of(id);
  const support::descriptor_counts before = support::descriptors_of(id);
  {
    std::deque<http_client> clients;
    for (std::size_t i = 0; i < crowd; ++i) {
      // A connection counts as idle once it has been used.
      CHECK(clients.emplace_back(server.address()).ask(ask).status == 200);
    }
    CHECK(server.clients() == crowd);
    CHECK(support::descriptors_of(id).all() - server.clients() <= before.all() + 10);
    CHECK(support::comes_true([&] { return support::threads_of(id) <= threads + 2; }));
    CHECK((support::private_bytes_of(id) - memory) / crowd < 8 * 1024);
    for (http_client& each : clients) CHECK(each.ask(ask).status == 200);
    // Others are served meanwhile.
    CHECK(server.get("/file").status == 200);
  }
  CHECK(server.comes_to_clients(0));
  CHECK(support::descriptors_of(id).all() <= before.all() + 10);
  CHECK(server.get("/file").status == 200);
}

TEST_CASE("examples/file_server: wrk has nothing to complain of") {
  file_server server({"--threads", "2"});
  add_files(server);
  for (const row& at : loads) {
    CAPTURE(at.target);
    const program::result done =
        support::run_program({support::installed("wrk"), "--threads", "1", "--connections",
                              at.connections, "--duration", "2s", server.url(at.target)});
    CHECK(done.code == 0);
    CHECK(done.err == "");
    CHECK(number_in(done.out, "(\\d+) requests in") > 10);
    CHECK(done.out.find("Non-2xx") == std::string::npos);
    CHECK(done.out.find("Socket errors") == std::string::npos);
  }
  CHECK(server.comes_to_clients(0));
}

TEST_CASE("examples/file_server: h2load's every request succeeds, pipelined or not") {
  file_server server({"--threads", "2"});
  add_files(server);
  for (const row& at : loads) {
    for (const std::string& at_once : {std::string("1"), std::string("8")}) {
      CAPTURE(at.target);
      CAPTURE(at_once);
      const program::result done = support::run_program(
          {support::installed("h2load"), "--h1", "--requests", "1000", "--clients", at.connections,
           "--max-concurrent-streams", at_once, server.url(at.target)});
      CHECK(done.code == 0);
      CHECK(number_in(done.out, "(\\d+) succeeded") == 1000);
      CHECK(number_in(done.out, "status codes: (\\d+) 2xx") == 1000);
      CHECK(number_in(done.out, "\\((\\d+)\\) data") ==
            1000.0 * (at.target == loads.back().target ? 1'000'000 : 1000));
    }
  }
  CHECK(server.comes_to_clients(0));
}

TEST_CASE("examples/file_server: clients that come and go by the thousand leave nothing behind") {
  file_server server({"--threads", "2"});
  server.add("file", 100'000);
  const auto come_and_go = [&server] {
    for (int i = 0; i < 2000; ++i) {
      http_client client(server.address());
      client.send(request("GET", "/file"));
      // One of three hears it all, one some of it, one none.
      if (i % 3 == 0 && client.receive().body.size() != 100'000) return false;
      if (i % 3 == 1) client.receive_bytes(1000);
    }
    return true;
  };
  CHECK(come_and_go());
  REQUIRE(server.comes_to_clients(0));
  const support::descriptor_counts before = support::descriptors_of(server.id());
  std::vector<std::thread> threads;
  std::vector<char> right(4, 0);
  threads.reserve(right.size());
  for (char& each : right) threads.emplace_back([&] { each = come_and_go() ? 1 : 0; });
  for (std::thread& each : threads) each.join();
  CHECK(std::count(right.begin(), right.end(), 1) == 4);
  REQUIRE(server.comes_to_clients(0));
  CHECK(support::descriptors_of(server.id()).all() <= before.all() + 10);
  CHECK(server.get("/file").status == 200);
}

TEST_SUITE_END();
