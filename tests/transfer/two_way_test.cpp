// H17: two streams through one process, a transfer each way: half-closes, resets, early leavers.

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <stop_token>
#include <vector>

#include "support/line.hpp"
#include "support/transfers.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/with_stop.hpp"

using namespace std::chrono_literals;
using support::check_way;
using support::connection_of;
using support::for_each_route;
using support::from_client;
using support::from_server;
using support::give_out;
using support::in_close_wait;
using support::intake;
using support::is_gone;
using support::leaves_no_close_wait;
using support::line;
using support::make_line;
using support::take_in;

TEST_SUITE_BEGIN("kernel");

namespace {

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

}  // namespace

TEST_CASE("two ways: a half-close on either side passes on, and the other way goes on") {
  for_each_route([](zc::route route, int flags) {
    for (const bool tcp : {false, true}) {
      for (const bool server_first : {false, true}) {
        CAPTURE(tcp);
        CAPTURE(server_first);
        line on = make_line(tcp, flags);
        const std::vector<support::connection> connections{connection_of(on.near_client),
                                                           connection_of(on.near_server)};
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
          if (tcp) CHECK(in_close_wait(connections) > 0);
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
        if (tcp) CHECK(leaves_no_close_wait(connections));
      }
    }
  });
}

TEST_CASE("two ways: all bytes of a peer that closes right after its last one arrive") {
  for_each_route([](zc::route route, int flags) {
    zc::context context;
    std::vector<support::connection> connections;
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
        connections.push_back(connection_of(on.near_client));
        connections.push_back(connection_of(on.near_server));
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
    CHECK(leaves_no_close_wait(connections));
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
        const std::vector<support::connection> connections{connection_of(on.near_client),
                                                           connection_of(on.near_server)};
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
        CHECK(leaves_no_close_wait(connections));
      }
    }
  });
}

TEST_SUITE_END();
