// H17: two streams through one process, a transfer each way: half-closes, resets, early leavers.

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "support/process.hpp"
#include "support/transfers.hpp"
#include "zc/op/recv.hpp"
#include "zc/op/send.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/with_stop.hpp"

using namespace std::chrono_literals;

TEST_SUITE_BEGIN("kernel");

namespace {

constexpr unsigned from_client = 1;
constexpr unsigned from_server = 2;

/// A client and a server, and the two sockets between them that belong to who stands there.
struct line {
  zc::fd client;
  zc::fd near_client;
  zc::fd near_server;
  zc::fd server;
};

line make_line(bool tcp, int flags) {
  support::ends left = tcp ? support::tcp_pair(flags) : support::unix_pair(flags);
  support::ends right = tcp ? support::tcp_pair(flags) : support::unix_pair(flags);
  return {std::move(left.first), std::move(left.second), std::move(right.first),
          std::move(right.second)};
}

struct both_ways {
  zc::transfer to_server;
  zc::transfer to_client;
};

/// One direction: passes the end of the stream on; any other end stops the other direction too.
zc::task<> one_way(int in, int out, zc::route by, std::stop_source& both, zc::transfer& done) {
  zc::task<zc::transfer> moving = zc::try_splice(in, out, {.route = by});
  done = co_await zc::with_stop(both.get_token(), std::move(moving));
  if (done.reason == zc::stop_reason::end_of_file) {
    ::shutdown(out, SHUT_WR);
  } else {
    both.request_stop();
  }
}

zc::task<> move_both_ways(const line& on, zc::route by, both_ways& done) {
  std::stop_source both;
  zc::scope ways;
  ways.spawn(one_way(on.near_client.get(), on.near_server.get(), by, both, done.to_server));
  ways.spawn(one_way(on.near_server.get(), on.near_client.get(), by, both, done.to_client));
  co_await ways.join();
}

/// What one of the two peers has read so far.
struct intake {
  std::uint64_t size = 0;
  bool right = true;
  bool ended = false;
  std::error_code error;
};

/// Reads until `size` bytes are there, or the stream ends or fails.
zc::task<> take_in(int fd, std::uint64_t size, unsigned salt, intake& got) {
  std::vector<char> buffer(64 * 1024);
  while (got.size < size && !got.ended) {
    const zc::result<std::size_t> some = co_await zc::op::recv(fd, buffer.data(), buffer.size());
    if (!some) {
      got.error = some.error();
      co_return;
    }
    got.right = got.right && support::are_bytes_at({buffer.data(), *some}, got.size, salt);
    got.size += *some;
    got.ended = *some == 0;
  }
}

/// Sends a stream up to `size`, or as much as goes before it fails or is cancelled. From `at` on,
/// which says how far it came.
zc::task<> give_out(int fd, std::uint64_t size, unsigned salt, std::uint64_t& at) {
  while (at < size) {
    const std::string bytes = support::bytes_at(
        at, static_cast<std::size_t>(std::min<std::uint64_t>(size - at, 64 * 1024)), salt);
    const zc::result<std::size_t> some = co_await zc::op::send(fd, bytes.data(), bytes.size());
    if (!some) co_return;
    at += *some;
  }
}

zc::task<> give_out(int fd, std::uint64_t size, unsigned salt) {
  std::uint64_t at = 0;
  co_await give_out(fd, size, salt, at);
}

std::uint16_t port_of(const zc::fd& socket) {
  sockaddr_in at{};
  socklen_t length = sizeof at;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&at), &length);
  return ntohs(at.sin_port);
}

/// How many sockets of this machine wait in CLOSE_WAIT, with one of `ports` at either end.
std::size_t in_close_wait(const std::vector<std::uint16_t>& ports) {
  std::size_t count = 0;
  std::ifstream table("/proc/net/tcp");
  std::string row;
  std::getline(table, row);
  while (std::getline(table, row)) {
    unsigned local = 0;
    unsigned remote = 0;
    unsigned state = 0;
    if (std::sscanf(row.c_str(), "%*d: %*x:%x %*x:%x %x", &local, &remote, &state) != 3) continue;
    constexpr unsigned close_wait = 8;  // TCP_CLOSE_WAIT
    if (state != close_wait) continue;
    for (const std::uint16_t each : ports) {
      if (each == local || each == remote) ++count;
    }
  }
  return count;
}

/// Whether, within a while, none of these waits in CLOSE_WAIT. Their owners have closed them.
bool leaves_no_close_wait(const std::vector<std::uint16_t>& ports) {
  for (int i = 0; i < 300; ++i) {
    if (in_close_wait(ports) == 0) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

bool is_gone(std::error_code error) {
  return error == std::errc::connection_reset || error == std::errc::broken_pipe;
}

/// Whether counts and bytes of one direction agree.
void check_way(const zc::transfer& done, unsigned salt) {
  CHECK(support::conserved(done));
  const auto kept = done.remainder.bytes();
  CHECK(support::are_bytes_at({reinterpret_cast<const char*>(kept.data()), kept.size()}, done.moved,
                              salt));
}

/// Calls `body(route, flags)` for each route and kind of descriptor that it serves.
template <class Body>
void for_each_route(Body body) {
  for (const zc::route route : support::routes) {
    for (const int flags : {0, int{SOCK_NONBLOCK}}) {
      if (route == zc::route::direct && flags == 0) continue;  // refuses blocking sockets
      CAPTURE(route);
      CAPTURE(flags);
      body(route, flags);
    }
  }
}

}  // namespace

TEST_CASE("two ways: a half-close on either side passes on, and the other way goes on") {
  for_each_route([](zc::route route, int flags) {
    for (const bool tcp : {false, true}) {
      for (const bool server_first : {false, true}) {
        CAPTURE(tcp);
        CAPTURE(server_first);
        line on = make_line(tcp, flags);
        const std::vector<std::uint16_t> ports{port_of(on.near_client), port_of(on.near_server)};
        both_ways done;
        intake at_client;
        intake at_server;
        const auto play = [&]() -> zc::task<> {
          zc::scope beside;
          beside.spawn(move_both_ways(on, route, done));
          // The one has said all before the other says anything.
          const int first = server_first ? on.server.get() : on.client.get();
          const int second = server_first ? on.client.get() : on.server.get();
          const unsigned first_salt = server_first ? from_server : from_client;
          const unsigned second_salt = server_first ? from_client : from_server;
          intake& at_second = server_first ? at_client : at_server;
          intake& at_first = server_first ? at_server : at_client;
          beside.spawn(give_out(first, 300'000, first_salt));
          co_await take_in(second, 300'000, first_salt, at_second);
          ::shutdown(first, SHUT_WR);
          co_await take_in(second, zc::to_end, first_salt, at_second);
          // So that the check below is known to see what it looks for.
          if (tcp) CHECK(in_close_wait(ports) > 0);
          beside.spawn(give_out(second, 500'000, second_salt));
          co_await take_in(first, 500'000, second_salt, at_first);
          ::shutdown(second, SHUT_WR);
          co_await take_in(first, zc::to_end, second_salt, at_first);
          co_await beside.join();
        };
        zc::run(zc::timeout(60s, play()));
        for (const intake* each : {&at_client, &at_server}) {
          CHECK(each->right);
          CHECK(each->ended);
        }
        CHECK(at_server.size == (server_first ? 500'000 : 300'000));
        CHECK(at_client.size == (server_first ? 300'000 : 500'000));
        CHECK(done.to_server.reason == zc::stop_reason::end_of_file);
        CHECK(done.to_client.reason == zc::stop_reason::end_of_file);
        CHECK(done.to_server.moved == at_server.size);
        CHECK(done.to_client.moved == at_client.size);
        on = line();
        if (tcp) CHECK(leaves_no_close_wait(ports));
      }
    }
  });
}

TEST_CASE("two ways: all bytes of a peer that closes right after its last one arrive") {
  for_each_route([](zc::route route, int flags) {
    zc::context context;
    std::vector<std::uint16_t> ports;
    // Odd sizes, around a page and a pipe among them.
    constexpr std::array<std::size_t, 8> sizes{1, 2, 1447, 4096, 4097, 65'536, 100'001, 262'145};
    for (int round = 0; round < 32; ++round) {
      const bool tcp = round % 3 != 0;
      const bool asked_first = round % 16 < 8;
      const std::size_t size = sizes[static_cast<std::size_t>(round) % sizes.size()];
      CAPTURE(tcp);
      CAPTURE(asked_first);
      CAPTURE(size);
      line on = make_line(tcp, flags);
      // Never waits to send its last bytes: it can close at once.
      const int room = 1 << 20;
      ::setsockopt(on.server.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
      if (tcp) {
        ports.push_back(port_of(on.near_client));
        ports.push_back(port_of(on.near_server));
      }
      both_ways done;
      intake at_client;
      intake at_server;
      const auto play = [&]() -> zc::task<> {
        zc::scope beside;
        beside.spawn(move_both_ways(on, route, done));
        if (asked_first) {
          beside.spawn(give_out(on.client.get(), 10, from_client));
          co_await take_in(on.server.get(), 10, from_client, at_server);
        }
        co_await give_out(on.server.get(), size, from_server);
        { const zc::fd closed = std::move(on.server); }
        co_await take_in(on.client.get(), zc::to_end, from_server, at_client);
        { const zc::fd closed = std::move(on.client); }
        co_await beside.join();
      };
      context.run(zc::timeout(30s, play()));
      CHECK(at_client.size == size);
      CHECK(at_client.right);
      CHECK(at_client.ended);
      CHECK(done.to_client.reason == zc::stop_reason::end_of_file);
      CHECK(done.to_client.moved == size);
      check_way(done.to_server, from_client);
    }
    CHECK(leaves_no_close_wait(ports));
  });
}

TEST_CASE("two ways: a reset in any phase stops both, and no byte is lost or foreign") {
  enum class phase { silent, one_way, half_closed, both_busy };
  for_each_route([](zc::route route, int flags) {
    for (const phase when : {phase::silent, phase::one_way, phase::half_closed, phase::both_busy}) {
      for (const bool by_server : {false, true}) {
        CAPTURE(static_cast<int>(when));
        CAPTURE(by_server);
        line on = make_line(true, flags);
        const int room = 64 * 1024;
        for (const zc::fd* each : {&on.client, &on.near_client, &on.near_server, &on.server}) {
          ::setsockopt(each->get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
        }
        const std::vector<std::uint16_t> ports{port_of(on.near_client), port_of(on.near_server)};
        both_ways done;
        intake at_client;
        intake at_server;
        intake& at_survivor = by_server ? at_client : at_server;
        const unsigned to_survivor = by_server ? from_server : from_client;
        const int survivor = by_server ? on.client.get() : on.server.get();
        std::uint64_t said_by_server = 0;
        bool all_accepted_arrived = false;
        const auto play = [&]() -> zc::task<> {
          zc::scope moving;
          moving.spawn(move_both_ways(on, route, done));
          {
            zc::scope sending;
            constexpr std::uint64_t much = 64'000'000;  // more than any buffer takes
            if (when == phase::silent) co_await zc::sleep_for(5ms);
            if (when == phase::one_way || when == phase::both_busy) {
              sending.spawn(give_out(on.client.get(), much, from_client));
              if (when == phase::both_busy) {
                sending.spawn(give_out(on.server.get(), much, from_server));
              }
              co_await take_in(on.server.get(), 200'000, from_client, at_server);
            }
            if (when == phase::half_closed) {
              co_await give_out(on.client.get(), 1000, from_client);
              ::shutdown(on.client.get(), SHUT_WR);
              co_await take_in(on.server.get(), zc::to_end, from_client, at_server);
              CHECK(at_server.ended);
              sending.spawn(give_out(on.server.get(), much, from_server, said_by_server));
            }
            if (when == phase::half_closed || when == phase::both_busy) {
              co_await take_in(on.client.get(), 200'000, from_server, at_client);
            }
            sending.cancel();  // a close while a send is under way is none
            co_await sending.join();
          }
          zc::fd& resetting = by_server ? on.server : on.client;
          support::reset_on_close(resetting.get());
          { const zc::fd closed = std::move(resetting); }
          zc::scope surviving;
          // In the one phase where nobody speaks to who has left, only a byte for it tells.
          if (when == phase::half_closed && !by_server) {
            surviving.spawn(
                give_out(on.server.get(), said_by_server + 500'000, from_server, said_by_server));
          }
          // What the survivor's side accepted reaches it, whatever became of the other.
          surviving.spawn(take_in(survivor, zc::to_end, to_survivor, at_survivor));
          co_await moving.join();
          const std::uint64_t accepted = by_server ? done.to_client.moved : done.to_server.moved;
          for (int i = 0; i < 2000 && at_survivor.size < accepted; ++i) {
            co_await zc::sleep_for(5ms);
          }
          all_accepted_arrived = at_survivor.size == accepted;
          // Closed by their owner, nothing in the kernel holds them: the survivor hears of it.
          { const zc::fd closed = std::move(on.near_client); }
          { const zc::fd closed = std::move(on.near_server); }
          co_await surviving.join();
        };
        zc::run(zc::timeout(60s, play()));
        CHECK(all_accepted_arrived);
        CHECK(at_client.right);
        CHECK(at_server.right);
        const bool heard = at_survivor.ended || is_gone(at_survivor.error);
        CHECK(heard);
        check_way(done.to_server, from_client);
        check_way(done.to_client, from_server);
        // At least one of the two knows why; neither says anything else.
        int failed = 0;
        for (const zc::transfer* each : {&done.to_server, &done.to_client}) {
          CAPTURE(each->reason);
          CAPTURE(each->error);
          if (each->reason == zc::stop_reason::failed) {
            ++failed;
            CHECK(is_gone(each->error));
          } else {
            const bool ended = each->reason == zc::stop_reason::cancelled ||
                               each->reason == zc::stop_reason::end_of_file;
            CHECK(ended);
          }
        }
        CHECK(failed > 0);
        on = line();
        CHECK(leaves_no_close_wait(ports));
      }
    }
  });
}

TEST_SUITE_END();
