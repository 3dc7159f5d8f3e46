#include "zc/relay.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <random>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "support/line.hpp"
#include "support/process.hpp"
#include "support/transfers.hpp"
#include "zc/op/read.hpp"
#include "zc/op/write.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/with_stop.hpp"

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;
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

/// Runs a relay between the two near sockets, as the coroutine of a scope.
zc::task<> relay_on(const line& on, zc::relay_options options, zc::relay_result& done) {
  done = co_await zc::relay(on.near_client.get(), on.near_server.get(), options);
}

void limit_buffers(const line& on, int bytes) {
  for (const zc::fd* each : {&on.client, &on.near_client, &on.near_server, &on.server}) {
    ::setsockopt(each->get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  }
}

std::vector<support::connection> connections_of(const line& on) {
  return {connection_of(on.near_client), connection_of(on.near_server)};
}

bool is_reset(int fd) {
  pollfd one{fd, 0, 0};
  return ::poll(&one, 1, 0) == 1 && (one.revents & POLLHUP) != 0;
}

/// Writes the next byte of a stream to a pipe.
zc::task<> say_one(int fd, unsigned salt, std::uint64_t& at) {
  const std::string byte = support::bytes_at(at, 1, salt);
  at += (co_await zc::op::write(fd, std::as_bytes(std::span(byte)))).value();
}

zc::task<> say_all(int fd, std::uint64_t size, unsigned salt) {
  co_await give_out(fd, size, salt);
  ::shutdown(fd, SHUT_WR);
}

}  // namespace

TEST_CASE("relay: both ways at once, different amounts arrive whole, and so does each end") {
  for_each_route([](zc::route route, int flags) {
    for (const bool tcp : {false, true}) {
      CAPTURE(tcp);
      const line on = make_line(tcp, flags);
      zc::relay_result done;
      intake at_client;
      intake at_server;
      zc::progress up;
      zc::progress down;
      const auto play = [&]() -> zc::task<> {
        zc::scope beside;
        beside.spawn(relay_on(
            on,
            {.idle_timeout = 1h, .route = route, .progress_a_to_b = &up, .progress_b_to_a = &down},
            done));
        beside.spawn(say_all(on.client.get(), 1'300'001, from_client));
        beside.spawn(say_all(on.server.get(), 400'003, from_server));
        beside.spawn(take_in(on.client.get(), zc::to_end, from_server, at_client));
        beside.spawn(take_in(on.server.get(), zc::to_end, from_client, at_server));
        co_await beside.join();
      };
      zc::run(zc::timeout(60s, play()));
      CHECK(at_server.size == 1'300'001);
      CHECK(at_client.size == 400'003);
      CHECK(at_server.right);
      CHECK(at_client.right);
      CHECK(done.a_to_b.reason == zc::stop_reason::end_of_file);
      CHECK(done.b_to_a.reason == zc::stop_reason::end_of_file);
      CHECK(done.a_to_b.moved == 1'300'001);
      CHECK(done.b_to_a.moved == 400'003);
      CHECK(up.moved == 1'300'001);
      CHECK(down.moved == 400'003);
    }
  });
}

TEST_CASE("relay: a half-close on either side passes on, and the other way goes on") {
  for_each_route([](zc::route route, int flags) {
    for (const bool tcp : {false, true}) {
      for (const bool server_first : {false, true}) {
        CAPTURE(tcp);
        CAPTURE(server_first);
        line on = make_line(tcp, flags);
        const std::vector<support::connection> connections = connections_of(on);
        zc::relay_result done;
        intake at_client;
        intake at_server;
        const auto play = [&]() -> zc::task<> {
          zc::scope beside;
          beside.spawn(relay_on(on, {.route = route}, done));
          // The one has said all before the other says anything.
          const int first = server_first ? on.server.get() : on.client.get();
          const int second = server_first ? on.client.get() : on.server.get();
          const unsigned first_salt = server_first ? from_server : from_client;
          const unsigned second_salt = server_first ? from_client : from_server;
          intake& at_second = server_first ? at_client : at_server;
          intake& at_first = server_first ? at_server : at_client;
          beside.spawn(say_all(first, 300'000, first_salt));
          co_await take_in(second, zc::to_end, first_salt, at_second);
          CHECK(beside.running() == 1);
          beside.spawn(say_all(second, 500'000, second_salt));
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
        CHECK(done.a_to_b.reason == zc::stop_reason::end_of_file);
        CHECK(done.b_to_a.reason == zc::stop_reason::end_of_file);
        CHECK(done.a_to_b.moved == at_server.size);
        CHECK(done.b_to_a.moved == at_client.size);
        on = line();
        if (tcp) CHECK(leaves_no_close_wait(connections));
      }
    }
  });
}

TEST_CASE("relay: all bytes of a peer that closes right after its last one arrive") {
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
        for (const support::connection& each : connections_of(on)) connections.push_back(each);
      }
      zc::relay_result done;
      intake at_client;
      intake at_server;
      const auto play = [&]() -> zc::task<> {
        zc::scope beside;
        beside.spawn(relay_on(on, {.route = route}, done));
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
      CHECK(done.b_to_a.reason == zc::stop_reason::end_of_file);
      CHECK(done.b_to_a.moved == size);
      // The client closed in good order too.
      CHECK(done.a_to_b.reason == zc::stop_reason::end_of_file);
      check_way(done.a_to_b, from_client);
    }
    CHECK(leaves_no_close_wait(connections));
  });
}

namespace {

enum class phase {
  silent,       // before any byte
  one_way,      // in mid-stream
  half_closed,  // the client has said all, the server is in mid-stream
  ended,        // the other end has said all, and waits for what will not come
  stalled,      // neither peer reads, and all that is to be said waits
  unheard,      // the same, where only the one that resets has said anything
};

/// What both peers do before one of them resets.
zc::task<> lead_to(phase when, line& on, zc::scope& sending, intake& at_client, intake& at_server,
                   bool by_server) {
  constexpr std::uint64_t much = 64'000'000;  // more than any buffer takes
  const int client = on.client.get();
  const int server = on.server.get();
  switch (when) {
    case phase::silent:
      co_await zc::sleep_for(3ms);
      break;
    case phase::one_way:
      sending.spawn(give_out(client, much, from_client));
      co_await take_in(server, 200'000, from_client, at_server);
      break;
    case phase::half_closed:
      co_await say_all(client, 1000, from_client);
      co_await take_in(server, zc::to_end, from_client, at_server);
      sending.spawn(give_out(server, much, from_server));
      co_await take_in(client, 200'000, from_server, at_client);
      break;
    case phase::ended:
      // Nobody reads any more from the one that resets, and nobody writes to it.
      co_await say_all(by_server ? server : client, 1000, by_server ? from_server : from_client);
      co_await take_in(by_server ? client : server, zc::to_end,
                       by_server ? from_server : from_client, by_server ? at_client : at_server);
      co_await zc::sleep_for(3ms);
      break;
    case phase::stalled:
      sending.spawn(give_out(client, much, from_client));
      sending.spawn(give_out(server, much, from_server));
      co_await zc::sleep_for(30ms);
      break;
    case phase::unheard:
      sending.spawn(
          give_out(by_server ? server : client, much, by_server ? from_server : from_client));
      co_await zc::sleep_for(30ms);
      break;
  }
  sending.cancel();  // a close while a send is under way is none
  co_await sending.join();
}

/// A reset by one of the two peers ends a relay, with no byte lost or foreign.
void check_reset(zc::route route, int flags, phase when, bool by_server) {
  CAPTURE(static_cast<int>(when));
  CAPTURE(by_server);
  line on = make_line(true, flags);
  limit_buffers(on, 64 * 1024);
  const std::vector<support::connection> connections = connections_of(on);
  zc::relay_result done;
  intake at_client;
  intake at_server;
  bool all_accepted_arrived = false;
  const auto play = [&]() -> zc::task<> {
    zc::scope moving;
    moving.spawn(relay_on(on, {.route = route}, done));
    {
      zc::scope sending;
      co_await lead_to(when, on, sending, at_client, at_server, by_server);
    }
    zc::fd& resetting = by_server ? on.server : on.client;
    support::reset_on_close(resetting.get());
    { const zc::fd closed = std::move(resetting); }
    intake& at_survivor = by_server ? at_client : at_server;
    const int survivor = by_server ? on.client.get() : on.server.get();
    zc::scope hearing;
    const auto hear = [&] {
      hearing.spawn(
          take_in(survivor, zc::to_end, by_server ? from_server : from_client, at_survivor));
    };
    const bool nobody_reads = when == phase::stalled || when == phase::unheard;
    if (!nobody_reads) hear();
    co_await moving.join();
    if (nobody_reads) hear();
    // What the survivor's side accepted reaches it, whatever became of the other.
    const std::uint64_t accepted = by_server ? done.b_to_a.moved : done.a_to_b.moved;
    for (int i = 0; i < 2000 && at_survivor.size < accepted; ++i) co_await zc::sleep_for(5ms);
    all_accepted_arrived = at_survivor.size == accepted;
  };
  zc::run(zc::timeout(30s, play()));
  CHECK(all_accepted_arrived);
  CHECK(at_client.right);
  CHECK(at_server.right);
  check_way(done.a_to_b, from_client);
  check_way(done.b_to_a, from_server);
  int failed = 0;
  for (const zc::transfer* each : {&done.a_to_b, &done.b_to_a}) {
    CAPTURE(each->reason);
    CAPTURE(each->error);
    if (each->reason == zc::stop_reason::failed) {
      ++failed;
      CHECK(is_gone(each->error));
      // Who has gone was read from on one way, and written to on the other.
      const bool reads_from_it = (each == &done.b_to_a) == by_server;
      CHECK(each->side == (reads_from_it ? zc::side::in : zc::side::out));
    } else {
      const bool stopped = each->reason == zc::stop_reason::cancelled ||
                           each->reason == zc::stop_reason::end_of_file;
      CHECK(stopped);
      CHECK_FALSE(each->error);
    }
  }
  CHECK(failed > 0);
  on = line();
  CHECK(leaves_no_close_wait(connections));
}

}  // namespace

TEST_CASE("relay: a reset by either peer ends it in any phase, with no byte lost or foreign") {
  for_each_route([](zc::route route, int flags) {
    for (const phase when : {phase::silent, phase::one_way, phase::half_closed, phase::ended}) {
      check_reset(route, flags, when, false);
      check_reset(route, flags, when, true);
    }
  });
  // What waits to be delivered then has a second to go on.
  check_reset(zc::route::automatic, SOCK_NONBLOCK, phase::stalled, true);
  check_reset(zc::route::automatic, SOCK_NONBLOCK, phase::unheard, false);
}

TEST_CASE("relay: a reset by either peer ends it while nobody reads" *
          doctest::test_suite("slow")) {
  for_each_route([](zc::route route, int flags) {
    check_reset(route, flags, phase::stalled, false);
    check_reset(route, flags, phase::stalled, true);
    check_reset(route, flags, phase::unheard, false);
    check_reset(route, flags, phase::unheard, true);
  });
}

TEST_CASE("relay: what is in a socket's error queue does not hide the death of its peer") {
  line on = make_line(true, SOCK_NONBLOCK);
  support::leave_in_error_queue(on.near_client.get(), on.client.get());
  zc::relay_result done;
  const auto play = [&]() -> zc::task<> {
    zc::scope moving;
    moving.spawn(relay_on(on, {}, done));
    // As much as fits: nobody reads it, so nobody reads from the client either.
    zc::scope saying;
    saying.spawn(give_out(on.client.get(), 64'000'000, from_client));
    co_await zc::sleep_for(50ms);
    saying.cancel();
    co_await saying.join();
    support::reset_on_close(on.client.get());
    { const zc::fd closed = std::move(on.client); }
    co_await moving.join();
  };
  zc::run(zc::timeout(30s, play()));
  // Which way tells of it is chance.
  const bool reading = done.a_to_b.reason == zc::stop_reason::failed;
  const zc::transfer& told = reading ? done.a_to_b : done.b_to_a;
  CHECK(told.reason == zc::stop_reason::failed);
  CHECK(is_gone(told.error));
  CHECK(told.side == (reading ? zc::side::in : zc::side::out));
  check_way(done.a_to_b, from_client);
  check_way(done.b_to_a, from_server);
}

namespace {

/// The server says as much as fits and then leaves; the client has read none of it.
struct farewell {
  bool tcp;
  bool in_good_order;    // else with bytes unread, which resets
  bool spoken_to_last;   // the client writes just before the server leaves, else after that
  bool doubled = false;  // the relay reads from one descriptor and writes to its duplicate
};

int unread_by(int socket) {
  int nbytes = 0;
  CHECK(::ioctl(socket, FIONREAD, &nbytes) == 0);
  return nbytes;
}

void check_farewell(zc::route route, int flags, farewell how) {
  CAPTURE(how.tcp);
  CAPTURE(how.in_good_order);
  CAPTURE(how.spoken_to_last);
  CAPTURE(how.doubled);
  line on = make_line(how.tcp, flags);
  limit_buffers(on, 64 * 1024);
  const int room = 1 << 20;
  ::setsockopt(on.server.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  const zc::fd second(::fcntl(on.near_server.get(), F_DUPFD_CLOEXEC, 0));
  const zc::relay_end server(on.near_server.get(), (how.doubled ? second : on.near_server).get());
  zc::relay_result done;
  intake at_client;
  std::uint64_t said = 0;
  const auto relaying = [&]() -> zc::task<> {
    done = co_await zc::relay(on.near_client.get(), server, {.route = route});
  };
  const auto play = [&]() -> zc::task<> {
    zc::scope moving;
    moving.spawn(relaying());
    zc::scope saying;
    saying.spawn(give_out(on.server.get(), 300'000, from_server, said));
    co_await zc::sleep_for(20ms);
    saying.cancel();
    co_await saying.join();
    if (!how.in_good_order) {
      support::write_all(on.client.get(), "never read");
      // Else it would leave in good order, and what came later be answered by a reset.
      while (unread_by(on.server.get()) == 0) co_await zc::sleep_for(1ms);
    }
    // To write to the dead is an error, which must not cut short what it had said.
    if (how.spoken_to_last) support::write_all(on.client.get(), "?");
    { const zc::fd closed = std::move(on.server); }
    for (int i = 0; i < 2 && !how.spoken_to_last; ++i) {
      co_await zc::sleep_for(2ms);
      support::write_all(on.client.get(), "?");
    }
    zc::scope hearing;
    hearing.spawn(take_in(on.client.get(), zc::to_end, from_server, at_client));
    co_await moving.join();
    ::shutdown(on.near_client.get(), SHUT_WR);
    co_await hearing.join();
  };
  zc::run(zc::timeout(30s, play()));
  CHECK(at_client.right);
  CHECK(at_client.ended);
  CHECK(at_client.size == done.b_to_a.moved);
  // A TCP peer's own kernel drops what it has not sent yet when it resets.
  if (!how.tcp) CHECK(at_client.size == said);
  check_way(done.b_to_a, from_server);
  CHECK(done.b_to_a.remainder.empty());
  if (how.in_good_order) {
    CHECK(done.b_to_a.reason == zc::stop_reason::end_of_file);
    CHECK(done.a_to_b.reason == zc::stop_reason::failed);
    CHECK(done.a_to_b.error == std::errc::broken_pipe);
    CHECK(done.a_to_b.side == zc::side::out);
  } else {
    // Nobody takes what a reset cut short for a whole.
    CHECK(done.b_to_a.reason == zc::stop_reason::failed);
    CHECK(done.b_to_a.side == zc::side::in);
    CHECK(is_gone(done.b_to_a.error));
  }
}

}  // namespace

TEST_CASE("relay: what a dead peer had sent before still arrives, and then the end or the error") {
  for_each_route([](zc::route route, int flags) {
    for (const bool spoken_to_last : {false, true}) {
      check_farewell(route, flags, {false, false, spoken_to_last});
      check_farewell(route, flags, {true, false, spoken_to_last});
      check_farewell(route, flags, {false, false, spoken_to_last, true});
    }
    // To write to a TCP peer that has closed makes it reset.
    check_farewell(route, flags, {false, true, false});
  });
}

TEST_CASE("relay: to a peer that was told the end before, its own end is no failure") {
  for_each_route([](zc::route route, int flags) {
    for (const bool tcp : {false, true}) {
      for (const bool before : {false, true}) {
        CAPTURE(tcp);
        CAPTURE(before);
        const line on = make_line(tcp, flags);
        ::shutdown(on.near_client.get(), SHUT_WR);
        intake at_server;
        zc::relay_result done;
        const auto play = [&]() -> zc::task<> {
          zc::scope moving;
          if (before) co_await say_all(on.client.get(), 1000, from_client);
          moving.spawn(relay_on(on, {.route = route}, done));
          if (!before) co_await say_all(on.client.get(), 1000, from_client);
          co_await take_in(on.server.get(), zc::to_end, from_client, at_server);
          ::shutdown(on.server.get(), SHUT_WR);
          co_await moving.join();
        };
        zc::run(zc::timeout(20s * support::slowdown(), play()));
        CHECK(at_server.size == 1000);
        CHECK(at_server.ended);
        CHECK(done.a_to_b.reason == zc::stop_reason::end_of_file);
        CHECK(done.a_to_b.moved == 1000);
        CHECK(done.b_to_a.reason == zc::stop_reason::end_of_file);
      }
    }
  });
}

TEST_CASE("relay: a peer that said its last and was then written to has ended, and is gone") {
  for_each_route([](zc::route route, int flags) {
    line on = make_line(true, flags);
    support::write_all(on.client.get(), support::bytes_at(0, 1000, from_client));
    { const zc::fd closed = std::move(on.client); }
    support::write_all(on.near_client.get(), "never read");
    for (int i = 0; i < 2000 && !is_reset(on.near_client.get()); ++i) {
      std::this_thread::sleep_for(1ms);
    }
    REQUIRE(is_reset(on.near_client.get()));
    intake at_server;
    zc::relay_result done;
    const auto play = [&]() -> zc::task<> {
      zc::scope moving;
      moving.spawn(relay_on(on, {.route = route}, done));
      co_await take_in(on.server.get(), zc::to_end, from_client, at_server);
      co_await moving.join();
    };
    zc::run(zc::timeout(20s * support::slowdown(), play()));
    CHECK(at_server.size == 1000);
    CHECK(at_server.right);
    CHECK(at_server.ended);
    CHECK(done.a_to_b.reason == zc::stop_reason::end_of_file);
    CHECK(done.b_to_a.reason == zc::stop_reason::failed);
    CHECK(done.b_to_a.error == std::errc::broken_pipe);
    CHECK(done.b_to_a.side == zc::side::out);
    CHECK(done.b_to_a.moved == 0);
  });
}

TEST_CASE("relay: the death of what an end writes to stops both ways, whatever it reads from") {
  for_each_route([](zc::route route, int flags) {
    line on = make_line(true, flags);
    const support::ends in = support::make_pipe();
    zc::relay_result done;
    std::uint64_t said = 0;
    intake at_client;
    const auto play = [&]() -> zc::task<> {
      zc::scope beside;
      const auto talk = [&]() -> zc::task<> {
        for (;; co_await zc::sleep_for(1ms)) {
          co_await say_one(in.second.get(), from_server, said);
        }
      };
      beside.spawn(talk());
      beside.spawn(take_in(on.client.get(), zc::to_end, from_server, at_client));
      const auto relaying = [&]() -> zc::task<> {
        done = co_await zc::relay(on.near_client.get(), {in.first.get(), on.near_server.get()},
                                  {.route = route});
      };
      zc::scope moving;
      moving.spawn(relaying());
      while (at_client.size < 10) co_await zc::sleep_for(1ms);
      support::reset_on_close(on.server.get());
      { const zc::fd closed = std::move(on.server); }
      co_await moving.join();
      beside.cancel();
      co_await beside.join();
    };
    zc::run(zc::timeout(20s * support::slowdown(), play()));
    CHECK(at_client.right);
    CHECK(done.a_to_b.reason == zc::stop_reason::failed);
    CHECK(is_gone(done.a_to_b.error));
    CHECK(done.a_to_b.side == zc::side::out);
    CHECK(done.b_to_a.reason == zc::stop_reason::cancelled);
    check_way(done.b_to_a, from_server);
  });
}

TEST_CASE("relay: a peer that only stopped reading stops both ways, whatever it still says") {
  for_each_route([](zc::route route, int flags) {
    const line on = make_line(false, flags);
    ::shutdown(on.server.get(), SHUT_RD);
    const auto play = [&]() -> zc::task<> {
      zc::scope talking;
      intake at_client;
      talking.spawn(give_out(on.server.get(), zc::to_end, from_server));
      talking.spawn(take_in(on.client.get(), zc::to_end, from_server, at_client));
      support::write_all(on.client.get(), "?");
      zc::task<zc::relay_result> relaying =
          zc::relay(on.near_client.get(), on.near_server.get(), {.route = route});
      const zc::relay_result done = co_await zc::timeout(20s, std::move(relaying));
      CHECK(done.a_to_b.error == std::errc::broken_pipe);
      CHECK(done.a_to_b.side == zc::side::out);
      CHECK(done.b_to_a.reason == zc::stop_reason::cancelled);
      check_way(done.b_to_a, from_server);
      talking.cancel();
      co_await talking.join();
    };
    zc::run(play());
  });
}

TEST_CASE("relay: idle_timeout counts from the last byte, either way") {
  for (const zc::route route : {zc::route::automatic, zc::route::copy}) {
    for (const bool by_server : {false, true}) {
      const int flags = by_server ? SOCK_NONBLOCK : 0;
      CAPTURE(route);
      CAPTURE(by_server);
      const line on = make_line(true, flags);
      // Bytes at every pause, one way only, for several times the timeout. Where one comes too late
      // because the machine is busy, the relay may end: then that is no failure.
      constexpr auto idle = 80ms;
      constexpr auto pause = 10ms;
      const auto play = [&]() -> zc::task<> {
        zc::relay_result done;
        zc::scope moving;
        moving.spawn(relay_on(on, {.idle_timeout = idle, .route = route}, done));
        const int from = by_server ? on.server.get() : on.client.get();
        const int to = by_server ? on.client.get() : on.server.get();
        auto last_said = steady::now();
        auto longest = steady::duration::zero();  // from one byte until the next one has arrived
        std::uint64_t said = 0;
        intake heard;
        for (int i = 0; i < 25 && moving.running() > 0; ++i) {
          const auto began = steady::now();
          co_await give_out(from, said + 1, 0, said);
          zc::scope hearing;
          hearing.spawn(take_in(to, said, 0, heard));
          while (hearing.running() > 0 && moving.running() > 0) co_await zc::sleep_for(1ms);
          hearing.cancel();
          co_await hearing.join();
          longest = std::max(longest, steady::now() - last_said);
          last_said = began;
          co_await zc::sleep_for(pause);
        }
        longest = std::max(longest, steady::now() - last_said);
        CAPTURE(longest.count());
        const bool flowed = moving.running() == 1;
        const bool too_busy = longest >= idle;
        CHECK((flowed || too_busy));
        co_await moving.join();
        CHECK(steady::now() - last_said < 20s * support::slowdown());
        if (flowed) CHECK(steady::now() - last_said >= idle);
        for (const zc::transfer* each : {&done.a_to_b, &done.b_to_a}) {
          CHECK(each->reason == zc::stop_reason::timed_out);
          CHECK_FALSE(each->error);
          CHECK(support::conserved(*each));
        }
        if (flowed) CHECK((by_server ? done.b_to_a : done.a_to_b).moved == said);
      };
      zc::run(zc::timeout(60s * support::slowdown(), play()));
    }
  }
}

TEST_CASE("relay: a way that has ended stays so when the other one times out") {
  for (const bool total : {false, true}) {
    CAPTURE(total);
    const line on = make_line(true, SOCK_NONBLOCK);
    support::write_all(on.client.get(), support::bytes_at(0, 1000, from_client));
    ::shutdown(on.client.get(), SHUT_WR);
    const auto began = steady::now();
    const auto limit = 300ms * support::slowdown();  // in which the first way must have ended
    const zc::relay_options options = total ? zc::relay_options{.total_timeout = limit}
                                            : zc::relay_options{.idle_timeout = limit};
    const zc::relay_result done =
        zc::run(zc::timeout(30s, zc::relay(on.near_client.get(), on.near_server.get(), options)));
    CHECK(steady::now() - began >= limit);
    CHECK(steady::now() - began < 20s * support::slowdown());
    CHECK(done.a_to_b.reason == zc::stop_reason::end_of_file);
    CHECK(done.a_to_b.moved == 1000);
    CHECK(done.b_to_a.reason == zc::stop_reason::timed_out);
  }
}

TEST_CASE("relay: total_timeout ends it while bytes flow") {
  const line on = make_line(false, SOCK_NONBLOCK);
  const auto play = [&]() -> zc::task<> {
    zc::scope beside;
    intake at_server;
    beside.spawn(give_out(on.client.get(), zc::to_end, from_client));
    beside.spawn(take_in(on.server.get(), zc::to_end, from_client, at_server));
    const auto limit = 300ms * support::slowdown();
    const zc::relay_result done =
        co_await zc::relay(on.near_client.get(), on.near_server.get(),
                           {.idle_timeout = 10s * support::slowdown(), .total_timeout = limit});
    CHECK(done.a_to_b.reason == zc::stop_reason::timed_out);
    CHECK(done.b_to_a.reason == zc::stop_reason::timed_out);
    CHECK(done.a_to_b.moved > 0);
    check_way(done.a_to_b, from_client);
    beside.cancel();
    co_await beside.join();
  };
  zc::run(zc::timeout(30s, play()));
}

TEST_CASE("relay: zc::timeout() around it gives timed_out with its counts, with_stop() cancelled") {
  for (const bool stopped : {false, true}) {
    CAPTURE(stopped);
    const line on = make_line(true, SOCK_NONBLOCK);
    support::write_all(on.client.get(), support::bytes_at(0, 500, from_client));
    std::stop_source stop;
    const auto after = 300ms * support::slowdown();  // by when the bytes must have gone
    const auto play = [&]() -> zc::task<zc::relay_result> {
      zc::scope beside;
      const auto later = [&]() -> zc::task<> {
        co_await zc::sleep_for(after);
        stop.request_stop();
      };
      if (stopped) beside.spawn(later());
      zc::task<zc::relay_result> work = zc::relay(on.near_client.get(), on.near_server.get());
      work = stopped ? zc::with_stop(stop.get_token(), std::move(work))
                     : zc::timeout(after, std::move(work));
      zc::relay_result done = co_await std::move(work);
      co_await beside.join();
      co_return done;
    };
    const zc::relay_result done = zc::run(play());
    const zc::stop_reason expected =
        stopped ? zc::stop_reason::cancelled : zc::stop_reason::timed_out;
    CHECK(done.a_to_b.reason == expected);
    CHECK(done.b_to_a.reason == expected);
    CHECK(done.a_to_b.moved == 500);
    CHECK(support::conserved(done.a_to_b));
  }
}

TEST_CASE("relay: cancelled at any moment, counts and remainders are exact") {
  std::mt19937 random(7);
  for_each_route([&](zc::route route, int flags) {
    for (int round = 0; round < 8; ++round) {
      const bool tcp = round % 2 == 0;
      const auto after =
          std::chrono::microseconds(std::uniform_int_distribution<int>(0, 12'000)(random));
      CAPTURE(tcp);
      CAPTURE(after.count());
      line on = make_line(tcp, flags);
      if (round % 3 != 0) limit_buffers(on, 32 * 1024);
      zc::relay_result done;
      intake at_client;
      intake at_server;
      std::uint64_t said_by_client = 0;
      std::uint64_t said_by_server = 0;
      const auto play = [&]() -> zc::task<> {
        zc::scope moving;
        zc::scope talking;
        zc::scope hearing;
        moving.spawn(relay_on(on, {.route = route}, done));
        talking.spawn(give_out(on.client.get(), 64'000'000, from_client, said_by_client));
        talking.spawn(give_out(on.server.get(), 64'000'000, from_server, said_by_server));
        if (round % 4 != 0) {
          hearing.spawn(take_in(on.server.get(), zc::to_end, from_client, at_server));
        }
        hearing.spawn(take_in(on.client.get(), zc::to_end, from_server, at_client));
        co_await zc::sleep_for(after);
        moving.cancel();
        const auto began = steady::now();
        co_await moving.join();
        CHECK(steady::now() - began < 5s);
        talking.cancel();
        co_await talking.join();
        // What is left in the near sockets, and what their peers have not read yet.
        ::shutdown(on.near_client.get(), SHUT_WR);
        ::shutdown(on.near_server.get(), SHUT_WR);
        if (round % 4 == 0) {
          hearing.spawn(take_in(on.server.get(), zc::to_end, from_client, at_server));
        }
        co_await hearing.join();
      };
      zc::run(zc::timeout(60s, play()));
      CHECK(done.a_to_b.reason == zc::stop_reason::cancelled);
      CHECK(done.b_to_a.reason == zc::stop_reason::cancelled);
      check_way(done.a_to_b, from_client);
      check_way(done.b_to_a, from_server);
      CHECK(at_client.right);
      CHECK(at_server.right);
      CHECK(at_server.size == done.a_to_b.moved);
      CHECK(at_client.size == done.b_to_a.moved);
      // The byte after those taken is still in the socket.
      ::shutdown(on.client.get(), SHUT_WR);
      support::set_nonblocking(on.near_client.get(), false);
      const std::string rest = support::read_all(on.near_client.get());
      CHECK(support::are_bytes_at(rest, done.a_to_b.taken, from_client));
      CHECK(done.a_to_b.taken + rest.size() >= said_by_client);
    }
  });
}

TEST_CASE("relay: a stalled reader costs no CPU") {
  for_each_route([](zc::route route, int flags) {
    const line on = make_line(true, flags);
    limit_buffers(on, 64 * 1024);
    const auto play = [&]() -> zc::task<> {
      zc::relay_result done;
      zc::progress up;
      zc::progress down;
      zc::relay_options options{.idle_timeout = 1h, .route = route};
      options.progress_a_to_b = &up;
      options.progress_b_to_a = &down;
      zc::scope all;
      all.spawn(relay_on(on, options, done));
      all.spawn(give_out(on.client.get(), zc::to_end, from_client));
      all.spawn(give_out(on.server.get(), zc::to_end, from_server));
      while (up.moved == 0 || down.moved == 0) co_await zc::sleep_for(1ms);
      // Until every buffer is full, and for a while after that.
      auto least = std::chrono::microseconds::max();
      for (int i = 0; i < 20 && least >= 15ms; ++i) {
        const auto before = support::cpu_time();
        co_await zc::sleep_for(60ms);
        least = std::min(least, support::cpu_time() - before);
      }
      // Spinning would take all of it, every time.
      CHECK(least < 15ms);
      CHECK(all.running() == 3);
      all.cancel();
      co_await all.join();
      CHECK(done.a_to_b.moved > 0);
      CHECK(done.b_to_a.moved > 0);
    };
    zc::run(zc::timeout(60s, play()));
  });
}

TEST_CASE("relay: no message and no answer of a ping-pong waits for what follows") {
  for_each_route([](zc::route route, int flags) {
    const line on = make_line(true, flags);
    const auto play = [&]() -> zc::task<> {
      zc::relay_result done;
      zc::scope all;
      all.spawn(relay_on(on, {.idle_timeout = 1h, .route = route}, done));
      std::vector<steady::duration> took;
      intake at_server;
      intake at_client;
      for (std::uint64_t i = 0; i < 60; ++i) {
        const auto began = steady::now();
        std::uint64_t at = i * 1024;
        co_await give_out(on.client.get(), at + 1024, from_client, at);
        co_await take_in(on.server.get(), at, from_client, at_server);
        at = i * 1024;
        co_await give_out(on.server.get(), at + 1024, from_server, at);
        co_await take_in(on.client.get(), at, from_server, at_client);
        took.push_back(steady::now() - began);
      }
      CHECK(at_server.right);
      CHECK(at_client.right);
      // A tail held back would take 200 ms, and a delayed acknowledgement 40 ms, every time.
      std::sort(took.begin(), took.end());
      CHECK(took[took.size() / 2] < 30ms);
      all.cancel();
      co_await all.join();
    };
    zc::run(zc::timeout(60s, play()));
  });
}

TEST_CASE("relay: hundreds of idle ones hold no pipe and no kernel worker, and delay nobody") {
  for_each_route([](zc::route route, int flags) {
    std::vector<line> lines;
    for (int i = 0; i < 300; ++i) {
      lines.push_back(make_line(i % 8 == 0, flags));
      // Else loopback's ports are soon all in TIME_WAIT.
      if (i % 8 == 0) {
        support::reset_on_close(lines.back().near_client.get());
        support::reset_on_close(lines.back().near_server.get());
      }
    }
    const auto play = [&]() -> zc::task<> {
      const std::size_t descriptors = support::open_descriptors();
      const std::size_t threads = support::user_threads();
      std::vector<zc::relay_result> results(lines.size());
      zc::scope all;
      for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
        all.spawn(relay_on(lines[i], {.idle_timeout = 1h, .route = route}, results[i]));
      }
      // Some bytes through each first: what they took must be given back.
      for (std::size_t i = 0; i + 1 < lines.size(); ++i) {
        co_await give_out(lines[i].client.get(), 100, from_client);
        intake got;
        co_await take_in(lines[i].server.get(), 100, from_client, got);
      }
      co_await zc::sleep_for(10ms);
      CHECK(all.running() == lines.size() - 1);
      CHECK(support::kernel_workers() <= 2 * 16);
      CHECK(support::user_threads() == threads);
      // None holds a pipe while idle: those that they used in turn are the pool's.
      CHECK(support::open_descriptors() <= descriptors + 2 * 64);
      zc::relay_result done;
      all.spawn(relay_on(lines.back(), {.route = route}, done));
      auto best = steady::duration::max();
      // The fastest of a few: the machine may be busy, and what waits behind an idle one never
      // ends.
      intake got;
      for (std::uint64_t i = 0; i < 10 && best >= 50ms; ++i) {
        const auto began = steady::now();
        std::uint64_t at = i * 50'000;
        all.spawn(give_out(lines.back().client.get(), at + 50'000, from_client, at));
        co_await take_in(lines.back().server.get(), (i + 1) * 50'000, from_client, got);
        best = std::min(best, steady::now() - began);
        co_await zc::sleep_for(1ms);
      }
      CHECK(best < 50ms);
      CHECK(got.right);
      all.cancel();
      co_await all.join();
    };
    zc::run(zc::timeout(100s, play()));
  });
}

TEST_CASE("relay: standard input and output are an end, and so are a child's pipes") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    support::ends typed = support::make_pipe();
    support::ends shown = support::make_pipe();
    support::ends net = support::unix_pair(SOCK_NONBLOCK);
    support::write_all(typed.second.get(), support::bytes_at(0, 3000, from_client));
    { const zc::fd closed = std::move(typed.second); }
    const auto play = [&]() -> zc::task<zc::relay_result> {
      zc::scope beside;
      const auto answer = [&]() -> zc::task<> {
        intake heard;
        co_await take_in(net.second.get(), zc::to_end, from_client, heard);
        CHECK(heard.right);
        CHECK(heard.size == 3000);  // and the end was passed on
        co_await say_all(net.second.get(), 2000, from_server);
      };
      beside.spawn(answer());
      zc::relay_result done = co_await zc::relay({typed.first.get(), shown.second.get()},
                                                 net.first.get(), {.route = route});
      co_await beside.join();
      co_return done;
    };
    const zc::relay_result done = zc::run(zc::timeout(30s, play()));
    CHECK(done.a_to_b.reason == zc::stop_reason::end_of_file);
    CHECK(done.b_to_a.reason == zc::stop_reason::end_of_file);
    CHECK(done.a_to_b.moved == 3000);
    CHECK(done.b_to_a.moved == 2000);
    { const zc::fd closed = std::move(shown.second); }
    CHECK(support::read_all(shown.first.get()) == support::bytes_at(0, 2000, from_server));
  }
}

TEST_CASE("relay: between a tty and a socket, the hang-up of the tty is passed on as its end") {
  support::ends pty = support::pty_pair();
  const support::ends net = support::unix_pair(SOCK_NONBLOCK);
  const auto play = [&]() -> zc::task<zc::relay_result> {
    zc::scope beside;
    const auto session = [&]() -> zc::task<> {
      co_await give_out(net.second.get(), 5, from_client);
      std::string typed(5, '?');
      std::size_t size = 0;
      while (size < typed.size()) {
        size +=
            (co_await zc::op::read(pty.second.get(), &typed[size], typed.size() - size)).value();
      }
      CHECK(typed == support::bytes_at(0, 5, from_client));
      support::write_all(pty.second.get(), support::bytes_at(0, 7, from_server));
      intake heard;
      co_await take_in(net.second.get(), 7, from_server, heard);
      CHECK(heard.right);
      { const zc::fd closed = std::move(pty.second); }
      co_await take_in(net.second.get(), 8, from_server, heard);
      CHECK(heard.ended);
      CHECK(heard.size == 7);
      ::shutdown(net.second.get(), SHUT_WR);
    };
    beside.spawn(session());
    zc::relay_result done = co_await zc::relay(pty.first.get(), net.first.get());
    co_await beside.join();
    co_return done;
  };
  const zc::relay_result done = zc::run(zc::timeout(30s, play()));
  CHECK(done.a_to_b.moved == 7);
  CHECK(done.a_to_b.reason == zc::stop_reason::end_of_file);
  CHECK_FALSE(done.a_to_b.error);
  CHECK(done.b_to_a.reason == zc::stop_reason::end_of_file);
  CHECK(done.b_to_a.moved == 5);
}

TEST_CASE("relay: what cannot work is refused before a byte moves") {
  const line on = make_line(false, 0);
  const support::ends pipe = support::make_pipe();
  support::write_all(on.client.get(), "stays");
  struct row {
    zc::relay_end a;
    zc::relay_end b;
    zc::route route;
    std::error_code error;
  };
  const auto code = [](int error) { return std::error_code(error, std::system_category()); };
  const int near = on.near_client.get();
  const std::array<row, 5> rows{{
      {near, -1, zc::route::automatic, code(EBADF)},
      {-1, near, zc::route::automatic, code(EBADF)},
      {near, pipe.first.get(), zc::route::automatic, code(EBADF)},  // is not open for writing
      {near, near, zc::route::automatic, code(EINVAL)},
      {near, on.near_server.get(), zc::route::direct, code(EINVAL)},  // may block
  }};
  for (const row& each : rows) {
    CAPTURE(each.a.in);
    CAPTURE(each.b.in);
    const zc::relay_result done =
        zc::run(zc::timeout(30s, zc::relay(each.a, each.b, {.route = each.route})));
    const bool a_failed = done.a_to_b.reason == zc::stop_reason::failed;
    const zc::transfer& failed = a_failed ? done.a_to_b : done.b_to_a;
    CHECK(failed.reason == zc::stop_reason::failed);
    CHECK(failed.error == each.error);
    CHECK(done.a_to_b.taken == 0);
    CHECK(done.b_to_a.taken == 0);
  }
  CHECK(support::read_some(near, 5) == "stays");
}

TEST_SUITE_END();
