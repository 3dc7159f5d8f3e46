#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <string>
#include <vector>

#include "examples/process_view.hpp"
#include "examples/tcp_relay_support.hpp"
#include "support/process.hpp"

TEST_SUITE_BEGIN("slow");

namespace {

using support::backend;
using support::bytes_at;
using support::connect_through;
using support::descriptors_of;
using support::hears;
using support::private_bytes_of;
using support::running_relay;
using support::threads_of;
using support::through;
using support::write_all;

constexpr std::size_t most_bytes_each = 4096;

/// 10 000, or as many as this process may hold both ends of.
std::size_t connections_to_make() {
  rlimit descriptors{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &descriptors) == 0);
  return std::min<std::size_t>(10'000, (descriptors.rlim_max - 200) / 2);
}

}  // namespace

TEST_CASE("examples/tcp_relay: 10 000 idle connections take little memory, no thread and no pipe") {
  const std::size_t count = connections_to_make();
  const support::limit enough(RLIMIT_NOFILE, 2 * count + 200);
  const backend behind;
  running_relay relay(behind.address(), {"--connections", std::to_string(count + 1)});
  // The first has made what is made once.
  connect_through(relay, behind);
  REQUIRE(relay.comes_to("active", 0));
  const auto before = descriptors_of(relay.id());
  const std::size_t threads = threads_of(relay.id());
  const std::size_t memory = private_bytes_of(relay.id());
  {
    std::vector<through> all;
    all.reserve(count);
    for (std::size_t i = 0; i < count; ++i) all.push_back(connect_through(relay, behind));
    REQUIRE(relay.comes_to("active", count));
    CHECK(descriptors_of(relay.id()).sockets == before.sockets + 2 * count);
    CHECK(descriptors_of(relay.id()).pipes == before.pipes);
    CHECK(threads_of(relay.id()) == threads);
    const std::size_t each = (private_bytes_of(relay.id()) - memory) / count;
    MESSAGE(each, " bytes for each of ", count);
    CHECK(each <= most_bytes_each);
    // They are still connections.
    for (std::size_t i = 0; i < count; i += 97) {
      write_all(all[i].client.get(), bytes_at(0, 10));
      CHECK(hears(all[i].server.get(), 10, 0));
      write_all(all[i].server.get(), bytes_at(0, 10, 1));
      CHECK(hears(all[i].client.get(), 10, 1));
    }
  }
  CHECK(relay.comes_to("active", 0));
  CHECK(descriptors_of(relay.id()).all() <= before.all() + 1);  // a pipe is kept for the next
  CHECK(threads_of(relay.id()) == threads);
  relay.stop();
}

TEST_SUITE_END();
