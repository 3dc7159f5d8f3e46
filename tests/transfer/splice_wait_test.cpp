// Transfers that wait: promptly, idly, and without anyone else waiting for them.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <ctime>
#include <random>
#include <thread>
#include <vector>

#include "support/process.hpp"
#include "support/transfers.hpp"
#include "zc/op/recv.hpp"
#include "zc/op/send.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/tee.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"
#include "zc/when_any.hpp"
#include "zc/with_stop.hpp"

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

TEST_SUITE_BEGIN("kernel");

namespace {

/// What this thread has used so far. A transfer that spins does it here.
std::chrono::microseconds thread_cpu_time() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::duration_cast<std::chrono::microseconds>(
                                                 std::chrono::nanoseconds(used.tv_nsec));
}

/// Whether a route takes sockets in this mode: direct refuses those that could block the thread.
bool serves(zc::route route, int socket_flags) {
  return route != zc::route::direct || socket_flags != 0;
}

}  // namespace

TEST_CASE("splice: what a source sends before it stalls arrives at once") {
  for (const zc::route route : support::routes) {
    for (const int flags : {0, int{SOCK_NONBLOCK}}) {
      for (const bool pipes : {false, true}) {
        if (!serves(route, flags)) continue;
        CAPTURE(route);
        CAPTURE(flags);
        CAPTURE(pipes);
        const support::ends from = pipes ? support::make_pipe(flags) : support::tcp_pair(flags);
        const support::ends to = support::tcp_pair(flags);
        const auto play = [](int in, int feed, int out, int peer, zc::route by) -> zc::task<> {
          zc::scope moving;
          moving.spawn(zc::try_splice(in, out, {.route = by}));
          for (int i = 0; i < 3; ++i) {
            support::write_all(feed, "12345");
            std::array<std::byte, 64> buffer{};
            std::size_t size = 0;
            while (size < 5) {
              zc::task<std::size_t> some = [](int fd, std::byte* at) -> zc::task<std::size_t> {
                co_return (co_await zc::op::recv(fd, at, 64)).value();
              }(peer, buffer.data());
              size += co_await zc::timeout(5s, std::move(some));
            }
            CHECK(size == 5);
          }
          moving.cancel();
          co_await moving.join();
        };
        zc::run(play(from.first.get(), from.second.get(), to.first.get(), to.second.get(), route));
      }
    }
  }
}

TEST_CASE("splice: a thousand idle transfers cost no kernel worker, and delay nobody") {
  for (const zc::route route : support::routes) {
    for (const int flags : {0, int{SOCK_NONBLOCK}}) {
      if (!serves(route, flags)) continue;
      CAPTURE(route);
      CAPTURE(flags);
      std::vector<support::ends> idle;
      for (int i = 0; i < 1000; ++i) {
        idle.push_back(i % 4 == 0 ? support::tcp_pair(flags) : support::unix_pair(flags));
        // Else loopback's ports are soon all in TIME_WAIT.
        if (i % 4 == 0) support::reset_on_close(idle.back().first.get());
      }
      const auto play = [](std::vector<support::ends>& pairs, zc::route by,
                           int socket_flags) -> zc::task<> {
        const std::size_t descriptors = support::open_descriptors();
        const std::size_t threads = support::user_threads();
        const std::size_t workers = support::kernel_workers();  // of contexts that are gone
        zc::scope all;
        for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
          all.spawn(zc::try_splice(pairs[i].first.get(), pairs[i + 1].first.get(), {.route = by}));
          all.spawn(zc::try_splice(pairs[i + 1].first.get(), pairs[i].first.get(), {.route = by}));
        }
        co_await zc::sleep_for(50ms);
        CHECK(all.running() == 1000);
        CHECK(support::kernel_workers() <= workers + 4);
        CHECK(support::user_threads() == threads);
        // None holds a pipe while idle: at most the one that they tried in turn is kept.
        CHECK(support::open_descriptors() <= descriptors + 2);

        // Two that can go on: one that needs no worker, and one that does.
        const support::ends from = support::unix_pair(socket_flags);
        const support::ends to = support::unix_pair(socket_flags);
        const zc::fd file = support::file_of(50'000);
        const zc::fd copy = support::empty_file();
        auto best_stream = steady::duration::max();
        auto best_file = steady::duration::max();
        std::string got(50'000, '?');
        // The fastest of a few: the machine may be busy, and what waits behind an idle one never
        // ends.
        for (int i = 0; i < 10 && std::max(best_stream, best_file) >= 50ms; ++i) {
          support::write_all(from.second.get(), support::bytes_at(0, 50'000));
          auto began = steady::now();
          const zc::splice_options bounded{.nbytes = 50'000, .route = by};
          std::uint64_t moved = co_await zc::splice(from.first.get(), to.first.get(), bounded);
          best_stream = std::min(best_stream, steady::now() - began);
          CHECK(moved == 50'000);
          for (std::size_t at = 0; at < got.size();) {
            const ssize_t some = ::read(to.second.get(), &got[at], got.size() - at);
            REQUIRE(some > 0);
            at += static_cast<std::size_t>(some);
          }
          CHECK(support::are_bytes_at(got, 0));
          began = steady::now();
          moved = co_await zc::splice(file.get(), copy.get(), bounded);
          best_file = std::min(best_file, steady::now() - began);
          CHECK(moved == 50'000);
        }
        CHECK(best_stream < 50ms);
        CHECK(best_file < 50ms);
        all.cancel();
        co_await all.join();
      };
      zc::run(play(idle, route, flags));
    }
  }
}

TEST_CASE("splice: a stalled reader costs no CPU, on any route") {
  for (const zc::route route : support::routes) {
    for (const int flags : {0, int{SOCK_NONBLOCK}}) {
      if (!serves(route, flags)) continue;
      CAPTURE(route);
      CAPTURE(flags);
      // socket → pipe, file → socket and pipe → socket, none of them read.
      const support::ends source = support::unix_pair(flags);
      const support::ends full_pipe = support::make_pipe(flags);
      const support::ends full_socket = support::tcp_pair(flags);
      const support::ends other_socket = support::unix_pair(flags);
      const support::ends fed_pipe = support::make_pipe(0);
      const zc::fd big = support::file_of(8'000'000);
      std::thread feeder([&] {
        std::string block(65536, 'x');
        for (;;) {
          if (::send(source.second.get(), block.data(), block.size(), MSG_NOSIGNAL) < 0 &&
              errno != EAGAIN) {
            return;
          }
          std::this_thread::sleep_for(2ms);
        }
      });
      support::set_nonblocking(fed_pipe.second.get(), true);
      while (::write(fed_pipe.second.get(), "0123456789abcdef", 16) > 0) {
      }
      const auto play = [&](zc::route by) -> zc::task<> {
        zc::scope all;
        all.spawn(zc::try_splice(source.first.get(), full_pipe.second.get(), {.route = by}));
        all.spawn(zc::try_splice(big.get(), full_socket.first.get(), {.route = by}));
        all.spawn(zc::try_splice(fed_pipe.first.get(), other_socket.first.get(), {.route = by}));
        co_await zc::sleep_for(100ms);
        const auto before = support::cpu_time();
        co_await zc::sleep_for(500ms);
        // The feeder's own share included. Spinning would take the whole half second.
        CHECK(support::cpu_time() - before < 150ms);
        CHECK(support::kernel_workers() <= 2 * 16);
        all.cancel();
        co_await all.join();
      };
      zc::run(play(route));
      ::shutdown(source.second.get(), SHUT_RDWR);
      feeder.join();
    }
  }
}

namespace {

struct stalled {
  std::uint64_t moved;
  std::uint64_t would_block;  // moves in vain
};

/// A transfer to a reader that never reads, and may have said its last.
stalled run_stalled(zc::route route, int flags, bool half_closed) {
  const support::ends out = support::unix_pair(flags);
  if (half_closed) ::shutdown(out.second.get(), SHUT_WR);
  const zc::fd in = support::file_of(1'000'000);
  zc::context context;
  zc::task<zc::transfer> work = zc::try_splice(in.get(), out.first.get(), {.route = route});
  const zc::transfer done = context.run(zc::timeout(100ms, std::move(work)));
  CHECK(done.reason == zc::stop_reason::timed_out);
  return {done.moved, context.counters().would_block};
}

}  // namespace

// A poll on the ring ends with POLLRDHUP, asked for or not. Whoever takes that for room parks a
// kernel worker in a blocking socket, with more than there was room for, or tries again and again.
TEST_CASE("splice: for room at a peer that has half-closed it waits as for any other's") {
  for (const zc::route route : support::routes) {
    for (const int flags : {0, int{SOCK_NONBLOCK}}) {
      if (!serves(route, flags)) continue;
      CAPTURE(route);
      CAPTURE(flags);
      const stalled open = run_stalled(route, flags, false);
      const stalled half_closed = run_stalled(route, flags, true);
      CHECK(half_closed.moved == open.moved);
      CHECK(half_closed.would_block <= open.would_block + 1);
    }
  }
}

TEST_CASE("splice: stalled readers of blocking descriptors park no kernel worker") {
  // More of them than a context has workers: had each parked one, nothing else could be spliced.
  constexpr int stalled = 40;
  for (const zc::route route : {zc::route::automatic, zc::route::ring}) {
    for (const int kind : {0, 1, 2, 3, 4}) {
      CAPTURE(route);
      CAPTURE(kind);
      std::vector<support::ends> pairs;
      for (int i = 0; i < stalled; ++i) {
        if (kind == 0 || kind == 4) pairs.push_back(support::tcp_pair(0));
        if (kind == 1) pairs.push_back(support::unix_pair(0));
        if (kind == 2) pairs.push_back(support::pty_pair());
        if (kind == 3) pairs.push_back(support::make_pipe(0));
        if (kind == 3) std::swap(pairs.back().first, pairs.back().second);
        // Less than one of our pipes holds: a whole drain does not fit.
        const int small = 16 * 1024;
        if (kind == 4) {
          ::setsockopt(pairs.back().first.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &small,
                       sizeof small);
        } else {
          ::setsockopt(pairs.back().first.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        }
      }
      const zc::fd big = support::file_of(8'000'000);
      const auto play = [&](zc::route by) -> zc::task<> {
        zc::scope all;
        for (const support::ends& pair : pairs) {
          all.spawn(zc::try_splice(big.get(), pair.first.get(), {.route = by}));
        }
        co_await zc::sleep_for(200ms);
        CHECK(all.running() == stalled);
        const zc::fd out = support::empty_file();
        const zc::transfer beside = co_await zc::timeout(
            5s, zc::try_splice(big.get(), out.get(), {.route = zc::route::ring}));
        CHECK(beside.moved == 8'000'000);
        all.cancel();
        co_await all.join();
      };
      zc::run(play(route), {.workers = 8});
    }
  }
}

TEST_CASE("splice, tee: what is in a socket's error queue parks no kernel worker") {
  constexpr int stalled = 20;
  for (const zc::route route : {zc::route::automatic, zc::route::ring}) {
    // To a file, to a pipe, to two files; from a file, from a pipe.
    for (const int kind : {0, 1, 2, 3, 4}) {
      CAPTURE(route);
      CAPTURE(kind);
      const zc::fd big = support::file_of(8'000'000);
      std::vector<support::ends> pairs;
      std::vector<support::ends> pipes;
      std::vector<zc::fd> outs;
      for (int i = 0; i < stalled; ++i) {
        pairs.push_back(support::tcp_pair());
        support::leave_in_error_queue(pairs.back().first.get(), pairs.back().second.get());
        pipes.push_back(support::make_pipe());
        outs.push_back(support::empty_file());
        const std::string full(64 * 1024, 'x');
        while (kind > 2 &&
               ::send(pairs.back().first.get(), full.data(), full.size(), MSG_DONTWAIT) > 0) {
        }
        if (kind == 4) support::write_all(pipes.back().second.get(), "from a pipe");
      }
      const auto start = [&](std::size_t at) -> zc::task<zc::transfer> {
        const int socket = pairs[at].first.get();
        const zc::splice_options how{.route = route};
        if (kind == 0) co_return co_await zc::try_splice(socket, outs[at].get(), how);
        if (kind == 1) co_return co_await zc::try_splice(socket, pipes[at].second.get(), how);
        if (kind == 3) co_return co_await zc::try_splice(big.get(), socket, how);
        if (kind == 4) co_return co_await zc::try_splice(pipes[at].first.get(), socket, how);
        const zc::fd other = support::empty_file();
        std::vector<int> both{outs[at].get(), other.get()};
        std::vector<zc::transfer> copies = co_await zc::tee(socket, std::move(both));
        co_return std::move(copies.front());
      };
      const auto play = [&]() -> zc::task<> {
        zc::scope all;
        for (std::size_t at = 0; at < pairs.size(); ++at) all.spawn(start(at));
        co_await zc::sleep_for(100ms);
        CHECK(all.running() == stalled);
        const zc::fd out = support::empty_file();
        const zc::transfer beside = co_await zc::timeout(
            5s, zc::try_splice(big.get(), out.get(), {.route = zc::route::ring}));
        CHECK(beside.moved == 8'000'000);
        if (kind == 0) {
          // What comes after all arrives.
          support::write_all(pairs[0].second.get(), "late");
          for (int i = 0; i < 500 && support::contents(outs[0].get()) != "late"; ++i) {
            co_await zc::sleep_for(10ms);
          }
          CHECK(support::contents(outs[0].get()) == "late");
        }
        all.cancel();
        co_await all.join();
      };
      zc::run(play(), {.workers = 8});
    }
  }
}

namespace {

/// A target whose peer hardly reads: what zc writes to, and where the peer reads.
struct full_target {
  const char* name;
  support::ends (*make)(int flags);  // first: written to
  bool direct;                       // whether route::direct takes it in blocking mode
};

support::ends pipe_target(int flags) {
  support::ends pipe = support::make_pipe(flags);
  return {std::move(pipe.second), std::move(pipe.first)};
}

support::ends pty_target(int /*flags*/) { return support::pty_pair(); }

/// A peer that takes a little, time and again: there is room, but never for all that there is.
zc::task<> sip(const std::vector<support::ends>& pairs) {
  std::array<char, 700> buffer{};
  for (;;) {
    for (const support::ends& each : pairs) {
      pollfd one{each.second.get(), POLLIN, 0};
      if (::poll(&one, 1, 0) == 1) {
        CHECK(::read(each.second.get(), buffer.data(), buffer.size()) > 0);
      }
    }
    co_await zc::sleep_for(2ms);
  }
}

/// The longest of some beats of one millisecond.
zc::task<steady::duration> longest_beat() {
  auto longest = steady::duration::zero();
  for (int i = 0; i < 25; ++i) {
    const auto began = steady::now();
    co_await zc::sleep_for(1ms);
    longest = std::max(longest, steady::now() - began);
  }
  co_return longest;
}

}  // namespace

TEST_CASE("splice: blocking descriptors with a full window do not delay the loop") {
  const std::array<full_target, 4> targets{{{"TCP", support::tcp_pair, false},
                                            {"AF_UNIX", support::unix_pair, false},
                                            {"pipe", pipe_target, true},
                                            {"tty", pty_target, false}}};
  const zc::fd big = support::file_of(8'000'000);
  for (const zc::route route : support::routes) {
    for (const full_target& target : targets) {
      if (route == zc::route::direct && !target.direct) continue;
      CAPTURE(route);
      CAPTURE(target.name);
      std::vector<support::ends> pairs;
      for (int i = 0; i < 8; ++i) pairs.push_back(target.make(0));
      const auto play = [&](zc::route by) -> zc::task<> {
        zc::scope all;
        for (const support::ends& pair : pairs) {
          all.spawn(zc::try_splice(big.get(), pair.first.get(), {.route = by}));
        }
        all.spawn(sip(pairs));
        // A busy machine delays a beat now and then; a call that blocks delays one in every try.
        auto best = steady::duration::max();
        auto best_alone = steady::duration::zero();
        for (int i = 0; i < 20 && best >= 10ms; ++i) {
          const auto longest = co_await longest_beat();
          best = std::min(best, longest);
        }
        CHECK(all.running() == pairs.size() + 1);
        const auto before = steady::now();
        all.cancel();
        co_await all.join();
        CHECK(steady::now() - before < 5s);
        if (best >= 10ms) {
          best_alone = steady::duration::max();
          for (int i = 0; i < 20; ++i) {
            const auto longest = co_await longest_beat();
            best_alone = std::min(best_alone, longest);
          }
        }
        // Where no beat is on time even with nothing to do, the machine is too busy to tell.
        const bool on_time = best < 10ms || best_alone >= 10ms;
        CHECK(on_time);
      };
      zc::run(play(route));
    }
  }
}

TEST_CASE("splice: a stalled transfer's deadline fires, with exact counts") {
  for (const zc::route route : support::routes) {
    for (const int flags : {0, int{SOCK_NONBLOCK}}) {
      for (const bool starved : {false, true}) {
        if (!serves(route, flags)) continue;
        CAPTURE(route);
        CAPTURE(flags);
        CAPTURE(starved);
        const support::ends from = support::unix_pair(flags);
        const support::ends to = support::tcp_pair(flags);
        const zc::fd big = support::file_of(8'000'000);
        const auto began = steady::now();
        const zc::transfer done =
            zc::run(zc::timeout(50ms, zc::try_splice(starved ? from.first.get() : big.get(),
                                                     to.first.get(), {.route = route})));
        CHECK(done.reason == zc::stop_reason::timed_out);
        CHECK_FALSE(done.error);
        CHECK(support::conserved(done));
        CHECK(steady::now() - began < 5s);
        CHECK(steady::now() - began >= 50ms);
        if (starved) CHECK(done.taken == 0);
        // What out accepted is what its peer gets, no more and no less.
        ::shutdown(to.first.get(), SHUT_WR);
        support::set_nonblocking(to.second.get(), false);
        const std::string got = support::read_all(to.second.get());
        CHECK(got.size() == done.moved);
        CHECK(support::are_bytes_at(got, 0));
      }
    }
  }
}

TEST_CASE("splice: a throwing call that is cut short says how much it moved") {
  const support::ends to = support::tcp_pair(SOCK_NONBLOCK);
  const zc::fd big = support::file_of(8'000'000);
  try {
    zc::run(zc::timeout(50ms, zc::splice(big.get(), to.first.get())));
    FAIL("nobody reads");
  } catch (const zc::transfer_error& error) {
    CHECK(error.code() == std::errc::timed_out);
    CHECK(error.moved() > 0);
    CHECK(error.taken() == error.moved() + error.remainder().size());
  }
}

TEST_CASE("splice: cancelling at any moment conserves every byte") {
  for (const zc::route route : support::routes) {
    for (const int flags : {0, int{SOCK_NONBLOCK}}) {
      if (!serves(route, flags)) continue;
      CAPTURE(route);
      CAPTURE(flags);
      std::minstd_rand random(7);
      for (int round = 0; round < 60; ++round) {
        CAPTURE(round);
        const support::ends from = support::unix_pair(flags);
        const support::ends to = support::tcp_pair(flags);
        std::atomic<bool> over{false};
        std::thread feeder([&] {
          const std::string all = support::bytes_at(0, 300'000);
          std::string_view left = all;
          while (!left.empty()) {
            const ssize_t some = ::send(from.second.get(), left.data(),
                                        std::min<std::size_t>(left.size(), 10'000), MSG_NOSIGNAL);
            if (some > 0) left.remove_prefix(static_cast<std::size_t>(some));
            if (some < 0) std::this_thread::sleep_for(100us);
          }
          ::shutdown(from.second.get(), SHUT_WR);
          while (!over) std::this_thread::sleep_for(100us);
        });
        support::set_nonblocking(to.second.get(), false);
        support::reader peer(to.second.get());
        const auto delay = std::chrono::microseconds(random() % 3000);
        zc::transfer done = zc::run(
            zc::timeout(delay, zc::try_splice(from.first.get(), to.first.get(), {.route = route})));
        CHECK(support::conserved(done));
        const bool fine = done.reason == zc::stop_reason::timed_out ||
                          done.reason == zc::stop_reason::end_of_file;
        CHECK(fine);
        CHECK_FALSE(done.error);
        // Go on from where it stopped: the peer must see the stream as if nothing had happened.
        const std::uint64_t before = done.moved;
        const zc::transfer rescued =
            zc::run(zc::try_splice(std::move(done.remainder), to.first.get()));
        CHECK_FALSE(rescued.error);
        const zc::transfer rest = support::transfer(from.first.get(), to.first.get());
        CHECK(before + rescued.moved + rest.moved == 300'000);
        ::shutdown(to.first.get(), SHUT_WR);
        CHECK(peer.bytes().size() == 300'000);
        CHECK(support::are_bytes_at(peer.bytes(), 0));
        over = true;
        feeder.join();
      }
    }
  }
}

TEST_CASE("splice: a cancelled transfer stops promptly and says so") {
  for (const zc::route route : support::routes) {
    for (const int flags : {0, int{SOCK_NONBLOCK}}) {
      if (!serves(route, flags)) continue;
      CAPTURE(route);
      CAPTURE(flags);
      const support::ends from = support::tcp_pair(flags);
      const support::ends to = support::tcp_pair(flags);
      std::stop_source stop;
      std::atomic<steady::time_point> asked{};
      std::thread other([&stop, &asked] {
        std::this_thread::sleep_for(20ms);
        asked = steady::now();
        stop.request_stop();
      });
      const auto play = [&](std::stop_token token) -> zc::task<> {
        const zc::transfer done = co_await zc::with_stop(
            token, zc::try_splice(from.first.get(), to.first.get(), {.route = route}));
        CHECK(steady::now() - asked.load() < 1s);  // generous: a loaded machine, a sanitizer
        CHECK(done.reason == zc::stop_reason::cancelled);
        CHECK_FALSE(done.error);
        // Cancelled before it begins: nothing is touched.
        support::write_all(from.second.get(), "untouched");
        const zc::transfer never = co_await zc::with_stop(
            token, zc::try_splice(from.first.get(), to.first.get(), {.route = route}));
        CHECK(never.reason == zc::stop_reason::cancelled);
        CHECK(never.taken == 0);
      };
      zc::run(play(stop.get_token()));
      other.join();
    }
  }
}

TEST_CASE("splice: the last byte leaves at once, whatever the size") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    std::vector<steady::duration> took;
    for (const std::size_t size : {1UL, 1000UL, 4096UL, 65535UL, 65537UL, 131072UL, 131073UL,
                                   262143UL, 262144UL, 262145UL, 300'000UL, 524'289UL}) {
      const zc::fd in = support::file_of(size);
      const support::ends pair = support::tcp_pair(SOCK_NONBLOCK);
      support::set_nonblocking(pair.second.get(), false);
      const auto play = [](int from, int to, int peer, std::size_t nbytes,
                           zc::route by) -> zc::task<> {
        const auto receive = [](int fd, std::size_t all) -> zc::task<> {
          std::vector<std::byte> buffer(all);
          for (std::size_t got = 0; got < all;) {
            got += (co_await zc::op::recv(fd, buffer.data(), all - got)).value();
          }
        };
        zc::task<> receiving = receive(peer, nbytes);
        zc::task<std::uint64_t> sending = zc::splice(from, to, {.route = by});
        co_await zc::when_all(std::move(receiving), std::move(sending));
      };
      for (int i = 0; i < 3; ++i) {
        const auto began = steady::now();
        zc::run(play(in.get(), pair.first.get(), pair.second.get(), size, route));
        took.push_back(steady::now() - began);
      }
    }
    // A tail held back for more would take 200 ms, every time.
    std::sort(took.begin(), took.end());
    CHECK(took[took.size() * 9 / 10] < 150ms);
  }
}

TEST_CASE("splice: one huge transfer leaves others their turn") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const zc::fd big = support::empty_file();
    REQUIRE(::ftruncate(big.get(), std::int64_t{1} << 30) == 0);
    const zc::fd null = support::open_file("/dev/null", O_WRONLY);
    const auto play = [&](zc::route by) -> zc::task<> {
      zc::progress progress;
      zc::scope beside;
      beside.spawn(zc::try_splice(big.get(), null.get(), {.route = by, .progress = &progress}));
      std::uint64_t before = 0;
      std::uint64_t most = 0;
      int turns = 0;
      while (beside.running() > 0 && turns < 100'000) {
        co_await zc::yield();
        const std::uint64_t now = progress.moved;
        most = std::max(most, now - before);
        before = now;
        ++turns;
      }
      CHECK(most <= 2 * 1024 * 1024);
      CHECK(turns >= 512);
      co_await beside.join();
    };
    zc::run(play(route));
  }
}

TEST_CASE("splice: small segments arrive whole, without spinning") {
  struct row {
    std::size_t segment;
    std::size_t count;
    std::chrono::microseconds pause;  // between two of them
  };
  // As fast as they go, which fills a pipe's slots before it is full; and slowly.
  for (const row& at :
       {row{1, 3000, 0us}, row{536, 3000, 0us}, row{1, 50, 2000us}, row{536, 50, 2000us}}) {
    for (const zc::route route : support::routes) {
      for (const int flags : {0, int{SOCK_NONBLOCK}}) {
        if (!serves(route, flags)) continue;
        CAPTURE(route);
        CAPTURE(flags);
        CAPTURE(at.segment);
        CAPTURE(at.pause.count());
        const support::ends from = support::tcp_pair(flags);
        const support::ends to = support::tcp_pair(flags);
        const int on = 1;
        ::setsockopt(from.second.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        support::set_nonblocking(from.second.get(), false);
        support::set_nonblocking(to.second.get(), false);
        support::reader peer(to.second.get());
        const std::string all = support::bytes_at(0, at.segment * at.count);
        std::thread feeder([&] {
          for (std::size_t i = 0; i < all.size(); i += at.segment) {
            if (::send(from.second.get(), &all[i], at.segment, MSG_NOSIGNAL) < 0) return;
            if (at.pause > 0us) std::this_thread::sleep_for(at.pause);
          }
          ::shutdown(from.second.get(), SHUT_WR);
        });
        const auto before = thread_cpu_time();
        const zc::transfer done =
            support::transfer(from.first.get(), to.first.get(), {.route = route});
        const auto used = thread_cpu_time() - before;
        feeder.join();
        CHECK(done.moved == all.size());
        CHECK(done.reason == zc::stop_reason::end_of_file);
        ::shutdown(to.first.get(), SHUT_WR);
        CHECK(peer.bytes() == all);
        // Some 10 us each, where nothing slows the program down; a pause spent spinning is 2000.
        CAPTURE(used.count());
        CHECK(used < at.count * 500us + 20ms);
      }
    }
  }
}

TEST_CASE("splice: more transfers at once than there are pipes all end, by copying") {
  std::vector<support::ends> pairs;
  for (int i = 0; i < 200; ++i) pairs.push_back(support::tcp_pair(SOCK_NONBLOCK));
  const zc::fd big = support::file_of(3'000'000);
  const auto play = [&]() -> zc::task<> {
    zc::scope all;
    std::size_t complete = 0;
    const auto moving = [](int in, int out, std::size_t& whole) -> zc::task<> {
      const zc::transfer done = co_await zc::try_splice(in, out);
      if (done.moved == 3'000'000) ++whole;
      ::shutdown(out, SHUT_WR);
    };
    const std::size_t before = support::open_descriptors();
    for (const support::ends& pair : pairs) {
      all.spawn(moving(big.get(), pair.first.get(), complete));
    }
    co_await zc::sleep_for(100ms);  // every window is full, and 64 pipes are
    CHECK(support::open_descriptors() - before <= 2 * 64);
    const auto reading = [](int fd) -> zc::task<> {
      std::vector<char> buffer(1 << 18);
      std::uint64_t at = 0;
      bool right = true;
      for (;;) {
        const auto got = co_await zc::op::recv(fd, buffer.data(), buffer.size());
        if (got.value() == 0) break;
        right = right && support::are_bytes_at({buffer.data(), *got}, at);
        at += *got;
      }
      CHECK(right);
      CHECK(at == 3'000'000);
    };
    for (const support::ends& pair : pairs) all.spawn(reading(pair.second.get()));
    co_await all.join();
    CHECK(complete == pairs.size());
  };
  zc::run(play());
}

TEST_CASE("splice: many transfers together leave the rest their turn") {
  std::vector<support::ends> from;
  std::vector<support::ends> to;
  for (int i = 0; i < 60; ++i) {
    from.push_back(support::make_pipe(O_NONBLOCK));
    to.push_back(support::make_pipe(O_NONBLOCK));
    ::fcntl(from.back().second.get(), F_SETPIPE_SZ, 256 * 1024);
    ::fcntl(to.back().second.get(), F_SETPIPE_SZ, 256 * 1024);
    const std::string page(4096, 'x');
    while (::write(from.back().second.get(), page.data(), page.size()) > 0) {
    }
  }
  const auto play = [&]() -> zc::task<> {
    std::vector<zc::progress> progress(from.size());
    zc::scope beside;
    for (std::size_t i = 0; i < from.size(); ++i) {
      beside.spawn(zc::try_splice(from[i].first.get(), to[i].second.get(),
                                  {.nbytes = 256 * 1024, .progress = &progress[i]}));
    }
    std::uint64_t before = 0;
    std::uint64_t most = 0;
    while (beside.running() > 0) {
      co_await zc::yield();
      std::uint64_t now = 0;
      for (const zc::progress& each : progress) now += each.moved;
      most = std::max(most, now - before);
      before = now;
    }
    CHECK(before == 60 * 256 * 1024);
    CHECK(most <= 2 * 1024 * 1024);
    co_await beside.join();
  };
  zc::run(play());
}

TEST_CASE("splice: the tail of a pipe that ends leaves at once, though more was asked for") {
  // The kernel holds it back for the rest of what it was asked for: 40 ms, in about a third of
  // runs.
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const support::ends tcp = support::tcp_pair(SOCK_NONBLOCK);
    support::set_nonblocking(tcp.second.get(), false);
    const int on = 1;
    ::setsockopt(tcp.first.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int late = 0;
    zc::context context;
    std::vector<char> buffer(65536);
    for (int i = 0; i < 40; ++i) {
      support::ends pipe = support::make_pipe();
      ::fcntl(pipe.second.get(), F_SETPIPE_SZ, 1 << 20);
      support::write_all(pipe.second.get(), support::bytes_at(0, 65536));
      { const zc::fd closed = std::move(pipe.second); }
      const auto began = steady::now();
      const std::uint64_t moved = context.run(
          zc::splice(pipe.first.get(), tcp.first.get(), {.nbytes = 10'000'000, .route = route}));
      CHECK(moved == 65536);
      for (std::size_t size = 0; size < 65536;) {
        const ssize_t some = ::read(tcp.second.get(), buffer.data(), buffer.size());
        REQUIRE(some > 0);
        size += static_cast<std::size_t>(some);
      }
      if (steady::now() - began > 35ms) ++late;
    }
    CHECK(late <= 4);
  }
}

TEST_SUITE_END();
