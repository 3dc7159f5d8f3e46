// tcp_relay where there are no descriptors for all who come.

#include <doctest/doctest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "examples/process_view.hpp"
#include "examples/tcp_relay_support.hpp"
#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "support/sanitizers.hpp"

TEST_SUITE_BEGIN("kernel");

// UBSan looks at objects through a pipe: without a descriptor for that it finds fault with all.
#ifndef ZC_TEST_ASAN

namespace {

using support::backend;
using support::hears;
using support::running_relay;
using support::statistic;
using support::write_all;

constexpr std::size_t people = 60;
constexpr std::size_t much = 200'000;

/// Whether it has said that it accepts no more for now, be it that it knew how many it can have.
bool has_enough(running_relay& relay) {
  const std::string said = relay.process().complaints();
  return said.find(": exhausted") != std::string::npos || said.find(": full") != std::string::npos;
}

/// Serves whoever is next of `clients`, who have each said their number, to the end.
void serve_one(const backend& behind, std::vector<zc::fd>& clients) {
  zc::fd server = behind.accept();
  const std::string number = support::read_some(server.get(), 3);
  REQUIRE(number.size() == 3);
  zc::fd client = std::move(clients.at(std::stoul(number)));
  REQUIRE(client);
  const auto salt = static_cast<unsigned>(std::stoul(number));
  const std::string answer = support::bytes_at(0, much, salt);
  write_all(server.get(), answer);
  CHECK(hears(client.get(), much, salt));
  write_all(client.get(), answer);
  CHECK(hears(server.get(), much, salt));
  client = {};
  CHECK(support::hear_out(server.get()).how == support::ending::end);
}

}  // namespace

TEST_CASE("examples/tcp_relay: whatever the descriptor limit, clients wait and none is reset") {
  for (const std::size_t descriptors : {62U, 63U, 64U, 65U}) {
    for (const char* const threads : {"1", "2"}) {
      CAPTURE(descriptors);
      CAPTURE(threads);
      const backend behind;
      running_relay relay(behind.address(), {"--threads", threads}, {.descriptors = descriptors});
      std::vector<zc::fd> clients;
      for (std::size_t i = 0; i < people; ++i) {
        clients.push_back(support::reach(relay.address()));
        write_all(clients.back().get(), std::to_string(100 + i).replace(0, 1, "0"));
      }
      CHECK(support::comes_true([&] { return has_enough(relay); }));
      for (std::size_t i = 0; i < people; ++i) serve_one(behind, clients);
      CHECK(relay.comes_to("ended", people));
      const std::string said = relay.ask();
      CHECK(statistic(said, "accepted") == people);
      CHECK(statistic(said, "failed") == 0);
    }
  }
}

TEST_CASE("examples/tcp_relay: a client that is slow with its header keeps its descriptor") {
  const backend behind;
  running_relay relay(behind.address(), {"--accept-proxy", "--header-timeout", "60"},
                      {.descriptors = 64});
  std::vector<zc::fd> clients;
  for (std::size_t i = 0; i < people; ++i) clients.push_back(support::reach(relay.address()));
  CHECK(support::comes_true([&] { return has_enough(relay); }));
  for (std::size_t i = 0; i < people; ++i) {
    const std::string number = std::to_string(100 + i).replace(0, 1, "0");
    write_all(clients[i].get(), "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + number);
  }
  for (std::size_t i = 0; i < people; ++i) serve_one(behind, clients);
  CHECK(relay.comes_to("ended", people));
  CHECK(statistic(relay.ask(), "failed") == 0);
}

#endif

TEST_SUITE_END();
