#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>

#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "examples/process_view.hpp"
#include "examples/tcp_relay_support.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using support::backend;
using support::bytes_at;
using support::connect_through;
using support::ending;
using support::heard;
using support::hears;
using support::program;
using support::running_relay;
using support::statistic;
using support::through;
using support::write_all;

constexpr unsigned from_client = 1;
constexpr unsigned from_server = 2;

/// Says `size` bytes, and that these were the last.
void say_all(int fd, std::size_t size, unsigned salt) {
  write_all(fd, bytes_at(0, size, salt));
  ::shutdown(fd, SHUT_WR);
}

bool is_whole(const heard& got, std::size_t size, unsigned salt) {
  return got.how == ending::end && got.bytes.size() == size &&
         support::are_bytes_at(got.bytes, 0, salt);
}

/// Both talk at once, and each hears all that the other one says, and its end.
void check_both_ways(const through& on, std::size_t up, std::size_t down) {
  CAPTURE(up);
  CAPTURE(down);
  heard at_server;
  heard at_client;
  {
    const std::jthread client_talks([&] { say_all(on.client.get(), up, from_client); });
    const std::jthread server_talks([&] { say_all(on.server.get(), down, from_server); });
    const std::jthread server_hears([&] { at_server = support::hear_out(on.server.get()); });
    at_client = support::hear_out(on.client.get());
  }
  CHECK(is_whole(at_server, up, from_client));
  CHECK(is_whole(at_client, down, from_server));
}

}  // namespace

TEST_CASE("examples/tcp_relay: bytes of many sizes arrive whole both ways, and so does each end") {
  const backend behind;
  running_relay relay(behind.address());
  std::uint64_t up = 0;
  std::uint64_t down = 0;
  std::uint64_t connections = 0;
  const std::vector<std::size_t> sizes{0, 1, 1000, 4096, 65536, 65537, 1 << 20, 5'000'001};
  for (const std::size_t size : sizes) {
    for (const std::size_t other : {std::size_t{0}, std::size_t{1}, size, sizes.back() - size}) {
      check_both_ways(connect_through(relay, behind), size, other);
      up += size;
      down += other;
      ++connections;
    }
  }
  const std::string said = relay.stop();
  CHECK(statistic(said, "accepted") == static_cast<std::int64_t>(connections));
  CHECK(statistic(said, "ended") == static_cast<std::int64_t>(connections));
  CHECK(statistic(said, "bytes_to_upstream") == static_cast<std::int64_t>(up));
  CHECK(statistic(said, "bytes_to_client") == static_cast<std::int64_t>(down));
}

TEST_CASE("examples/tcp_relay: who has said its last still hears the other one") {
  const backend behind;
  running_relay relay(behind.address());
  SUBCASE("the client first, as one that asks for a file") {
    const through on = connect_through(relay, behind);
    say_all(on.client.get(), 100, from_client);
    CHECK(is_whole(support::hear_out(on.server.get()), 100, from_client));
    say_all(on.server.get(), 300'000, from_server);
    CHECK(is_whole(support::hear_out(on.client.get()), 300'000, from_server));
  }
  SUBCASE("the server first, as one that greets and is done") {
    const through on = connect_through(relay, behind);
    say_all(on.server.get(), 100, from_server);
    CHECK(is_whole(support::hear_out(on.client.get()), 100, from_server));
    say_all(on.client.get(), 300'000, from_client);
    CHECK(is_whole(support::hear_out(on.server.get()), 300'000, from_client));
  }
  SUBCASE("before anybody accepts at the other end") {
    const zc::fd client = support::reach(relay.address());
    say_all(client.get(), 1000, from_client);
    const zc::fd server = behind.accept();
    CHECK(is_whole(support::hear_out(server.get()), 1000, from_client));
    say_all(server.get(), 1, from_server);
    CHECK(is_whole(support::hear_out(client.get()), 1, from_server));
  }
  relay.stop();
}

TEST_CASE("examples/tcp_relay: small messages go back and forth over one connection") {
  const backend behind;
  running_relay relay(behind.address());
  const through on = connect_through(relay, behind);
  for (unsigned i = 0; i < 200; ++i) {
    write_all(on.client.get(), bytes_at(0, 10, i));
    CHECK(hears(on.server.get(), 10, i));
    write_all(on.server.get(), bytes_at(0, 10, i + 1));
    CHECK(hears(on.client.get(), 10, i + 1));
  }
}

TEST_CASE("examples/tcp_relay: IPv6 at either side, and names") {
  const backend v4;
  const backend v6("[::1]:0");
  const std::string port = v4.address().substr(v4.address().rfind(':'));
  struct row {
    const char* listen;
    std::string to;
    const backend& behind;
  };
  for (const row& each :
       {row{"[::1]:0", v6.address(), v6}, row{"[::1]:0", v4.address(), v4},
        row{"127.0.0.1:0", v6.address(), v6}, row{"127.0.0.1:0", "localhost" + port, v4}}) {
    CAPTURE(each.to);
    running_relay relay(each.to, {"--listen", each.listen});
    check_both_ways(connect_through(relay, each.behind), 1000, 2000);
    relay.stop();
  }
}

TEST_CASE("examples/tcp_relay: several threads have connections each, and one sum") {
  const backend behind;
  running_relay relay(behind.address(), {"--threads", "3"});
  std::vector<through> all;
  for (int i = 0; i < 60; ++i) all.push_back(connect_through(relay, behind));
  CHECK(relay.comes_to("active", 60));
  for (const through& each : all) check_both_ways(each, 10, 20);
  all.clear();
  CHECK(relay.comes_to("active", 0));
  CHECK(relay.comes_to("bytes_to_client", 60 * 20));
  CHECK(statistic(relay.stop(), "ended") == 60);
}

TEST_CASE("examples/tcp_relay: statistics come when asked for, with what has moved so far") {
  const backend behind;
  running_relay relay(behind.address());
  const through on = connect_through(relay, behind);
  write_all(on.client.get(), bytes_at(0, 100));
  CHECK(hears(on.server.get(), 100, 0));
  write_all(on.server.get(), bytes_at(0, 7));
  CHECK(hears(on.client.get(), 7, 0));
  CHECK(relay.comes_to("active", 1));
  CHECK(relay.comes_to("bytes_to_upstream", 100));
  CHECK(relay.comes_to("bytes_to_client", 7));

  program plain({"tcp_relay", "--listen", "127.0.0.1:0", "--to", behind.address()});
  plain.address();
  plain.signal(SIGUSR1);
  CHECK(support::comes_true([&] { return !plain.complaints().empty(); }));
  plain.signal(SIGTERM);
  const program::result done = plain.finish();
  CHECK(done.code == 0);
  const std::string line = "tcp_relay: 0 accepted, 0 active, 0 bytes to the upstream, ";
  CHECK(done.err.rfind(line, 0) == 0);
  CHECK(done.err.rfind(line) > 0);
}

TEST_CASE("examples/tcp_relay: asked to end, it lets what runs finish within the grace") {
  const backend behind;
  running_relay relay(behind.address(), {"--grace", "60"});
  const through on = connect_through(relay, behind);
  write_all(on.client.get(), bytes_at(0, 100));
  CHECK(hears(on.server.get(), 100, 0));
  relay.drain();
  // Another one that listens at the same address has every new connection.
  CHECK_THROWS_AS(support::reach(relay.address()), std::system_error);
  check_both_ways(on, 500'000, 700'000);
  const program::result done = relay.process().finish();
  CHECK(done.code == 0);
  CHECK(statistic(done.err, "ended") == 1);
  CHECK(statistic(done.err, "active") == 0);
}

TEST_CASE("examples/tcp_relay: a second one takes over, and no connection is refused or lost") {
  const backend behind;
  running_relay first(behind.address(), {"--threads", "2"});
  const through old = connect_through(first, behind);
  running_relay second(behind.address(), {"--threads", "2", "--listen", first.address()});
  first.drain();
  for (int i = 0; i < 50; ++i) check_both_ways(connect_through(second, behind), 10, 20);
  check_both_ways(old, 1000, 2000);
  const program::result done = first.process().finish();
  CHECK(done.code == 0);
  CHECK(statistic(done.err, "ended") == 1);
  CHECK(statistic(second.stop(), "ended") == 50);
}

TEST_CASE("examples/tcp_relay: what has not finished at the end of the grace is reset") {
  const backend behind;
  running_relay relay(behind.address(), {"--grace", "0.2"});
  const through on = connect_through(relay, behind);
  write_all(on.client.get(), bytes_at(0, 100));
  CHECK(hears(on.server.get(), 100, 0));
  CHECK(statistic(relay.stop(), "cancelled") == 1);
  CHECK(support::hear_out(on.client.get()).how == ending::reset);
  CHECK(support::hear_out(on.server.get()).how == ending::reset);
}

TEST_CASE("examples/tcp_relay: a command line that makes no sense is explained") {
  const std::vector<std::vector<std::string>> bad{
      {"tcp_relay"},
      {"tcp_relay", "--listen", "127.0.0.1:0"},
      {"tcp_relay", "--listen", "127.0.0.1:0", "--to", "no-port"},
      {"tcp_relay", "--listen", "127.0.0.1:0", "--to", "h:1", "--send-proxy", "v3"},
      {"tcp_relay", "--listen", "127.0.0.1:0", "--to", "h:1", "--connect-timeout", "0"},
      {"tcp_relay", "--listen", "127.0.0.1:0", "--to", "h:1", "--idle-timeout", "-1"},
      {"tcp_relay", "--listen", "127.0.0.1:0", "--to", "no-such-host.invalid:1"}};
  for (const std::vector<std::string>& words : bad) {
    CAPTURE(words.back());
    const program::result done = support::run_program(words);
    CHECK(done.code > 0);
    CHECK(done.code < 128);
    CHECK(!done.err.empty());
  }
  CHECK(support::run_program({"tcp_relay", "--help"}).code == 0);
}

TEST_SUITE_END();
