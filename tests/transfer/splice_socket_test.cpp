// What sockets have that files and pipes have not: messages, urgent bytes, standard descriptors.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "support/process.hpp"
#include "support/scripted_kernel.hpp"
#include "support/transfers.hpp"
#include "zc/sleep.hpp"
#include "zc/tee.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"

using namespace std::chrono_literals;
using support::transfer;

TEST_SUITE_BEGIN("kernel");

namespace {

support::ends message_pair(int type) {
  std::array<int, 2> raw{};
  REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, raw.data()) == 0);
  const int room = 1 << 20;
  for (const int each : raw) ::setsockopt(each, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  return {zc::fd(raw[0]), zc::fd(raw[1])};
}

void send_whole(int fd, const std::string& message) {
  REQUIRE(::send(fd, message.data(), message.size(), 0) == static_cast<ssize_t>(message.size()));
}

/// Two UDP sockets on loopback, connected to each other.
support::ends udp_pair() {
  std::array<zc::fd, 2> both;
  std::array<sockaddr_in, 2> at{};
  for (std::size_t i = 0; i < 2; ++i) {
    both[i] = zc::fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    at[i].sin_family = AF_INET;
    at[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof at[i];
    REQUIRE(::bind(both[i].get(), reinterpret_cast<sockaddr*>(&at[i]), length) == 0);
    REQUIRE(::getsockname(both[i].get(), reinterpret_cast<sockaddr*>(&at[i]), &length) == 0);
    const int room = 4 << 20;
    ::setsockopt(both[i].get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  }
  for (std::size_t i = 0; i < 2; ++i) {
    REQUIRE(::connect(both[i].get(), reinterpret_cast<sockaddr*>(&at[1 - i]), sizeof at[i]) == 0);
  }
  return {std::move(both[0]), std::move(both[1])};
}

}  // namespace

TEST_CASE("splice: an urgent byte neither ends a TCP stream nor stalls it") {
  for (const zc::route route : support::routes) {
    for (const int flags : {0, int{SOCK_NONBLOCK}}) {
      for (const bool closed : {false, true}) {
        if (route == zc::route::direct && flags == 0) continue;  // refused
        CAPTURE(route);
        CAPTURE(flags);
        CAPTURE(closed);
        const support::ends pair = support::tcp_pair(flags);
        const zc::fd out = support::empty_file();
        send_whole(pair.second.get(), "abc");
        REQUIRE(::send(pair.second.get(), "X", 1, MSG_OOB) == 1);
        send_whole(pair.second.get(), "def");
        if (closed) ::shutdown(pair.second.get(), SHUT_WR);
        const zc::transfer done = zc::run(
            zc::timeout(5s, zc::try_splice(pair.first.get(), out.get(),
                                           {.nbytes = closed ? zc::to_end : 6, .route = route})));
        CHECK(done.moved == 6);
        CHECK(done.reason == (closed ? zc::stop_reason::end_of_file : zc::stop_reason::complete));
        CHECK(support::contents(out.get()) == "abcdef");
      }
    }
  }
}

TEST_CASE("splice: a long message arrives whole, or stays where it is") {
  const std::string message = support::bytes_at(0, 100'000);
  for (const int type : {int{SOCK_SEQPACKET}, int{SOCK_DGRAM}}) {
    for (const zc::route route : support::routes) {
      CAPTURE(type);
      CAPTURE(route);
      const support::ends pair = message_pair(type | SOCK_NONBLOCK);
      send_whole(pair.second.get(), message);
      const zc::fd out = support::empty_file();
      const zc::transfer refused =
          transfer(pair.first.get(), out.get(), {.nbytes = 99'999, .route = route});
      CHECK(refused.error == std::errc::message_size);
      CHECK(refused.side == zc::side::in);
      CHECK(refused.taken == 0);
      zc::context small({.pipe_bytes = 16 * 1024});
      const zc::transfer whole = small.run(
          zc::try_splice(pair.first.get(), out.get(), {.nbytes = 100'000, .route = route}));
      if (route == zc::route::direct || route == zc::route::ring) {
        // No pipe of this size holds it.
        CHECK(whole.error == std::errc::message_size);
        CHECK(whole.taken == 0);
      } else {
        CHECK(whole.moved == 100'000);
        CHECK(support::are_bytes_at(support::contents(out.get()), 0));
      }
    }
  }
}

TEST_CASE("splice, tee: a long message that comes at the wrong moment stays where it is") {
  for (const int type : {int{SOCK_SEQPACKET}, int{SOCK_DGRAM}}) {
    for (const bool tees : {false, true}) {
      for (const zc::route route : support::routes) {
        if (tees && route != zc::route::automatic) continue;
        // Before each step that there is, until it waits for the message.
        bool waits = false;
        int at = 0;
        for (; !waits; ++at) {
          CAPTURE(type);
          CAPTURE(tees);
          CAPTURE(route);
          CAPTURE(at);
          const support::ends pair = message_pair(type | SOCK_NONBLOCK);
          const zc::fd out = support::empty_file();
          bool sent = false;
          zc::context context;
          support::scripted_kernel kernel;
          kernel.before_step([&](int step) {
            if (step != at || sent) return;
            sent = true;
            send_whole(pair.second.get(), "ten bytes.");
          });
          kernel.stand_before(context);
          const auto late = [&]() -> zc::task<> {
            co_await zc::sleep_for(10ms);
            waits = !sent;
            sent = true;
            if (waits) send_whole(pair.second.get(), "ten bytes.");
          };
          const auto move = [&]() -> zc::task<> {
            if (tees) {
              const std::array<int, 1> outs{out.get()};
              zc::task<std::vector<zc::transfer>> teeing =
                  zc::tee(pair.first.get(), outs, {.nbytes = 9});
              const auto copies = co_await std::move(teeing);
              CHECK(copies[0].error == std::errc::message_size);
              CHECK(copies[0].taken == 0);
            } else {
              zc::task<zc::transfer> moving =
                  zc::try_splice(pair.first.get(), out.get(), {.nbytes = 9, .route = route});
              const zc::transfer done = co_await std::move(moving);
              CHECK(done.error == std::errc::message_size);
              CHECK(done.side == zc::side::in);
              CHECK(done.taken == 0);
            }
          };
          std::vector<zc::task<>> both;
          both.push_back(late());
          both.push_back(move());
          context.run(zc::when_all(std::move(both)));
          CHECK(support::read_some(pair.first.get(), 10) == "ten bytes.");
        }
        CHECK(at >= 2);
      }
    }
  }
}

TEST_CASE(
    "splice, tee: of two that take from one socket, neither cuts what the other looked past") {
  const auto move = [](int in, int out, zc::route route) -> zc::task<zc::transfer> {
    return zc::try_splice(in, out, {.nbytes = 9, .route = route});
  };
  const auto copy = [](int in, int out) -> zc::task<zc::transfer> {
    const zc::fd other = support::empty_file();
    std::vector<int> outs{out, other.get()};
    auto copies = co_await zc::tee(in, std::move(outs), {.nbytes = 9});
    co_return std::move(copies[0]);
  };
  for (const int type : {int{SOCK_SEQPACKET}, int{SOCK_DGRAM}}) {
    for (const zc::route route : {zc::route::automatic, zc::route::direct, zc::route::copy}) {
      for (const bool tees : {false, true}) {
        if (tees && route != zc::route::automatic) continue;
        CAPTURE(type);
        CAPTURE(route);
        CAPTURE(tees);
        const support::ends pair = message_pair(type | SOCK_NONBLOCK);
        send_whole(pair.second.get(), "short");
        send_whole(pair.second.get(), "ten bytes.");
        const std::array<zc::fd, 2> outs{support::empty_file(), support::empty_file()};
        std::vector<zc::task<zc::transfer>> both;
        for (const zc::fd& out : outs) {
          both.push_back(zc::timeout(5s, tees ? copy(pair.first.get(), out.get())
                                              : move(pair.first.get(), out.get(), route)));
        }
        for (const zc::transfer& done : zc::run(zc::when_all(std::move(both)))) {
          CHECK(done.error == std::errc::message_size);
        }
        CHECK(support::contents(outs[0].get()) + support::contents(outs[1].get()) == "short");
        CHECK(support::read_some(pair.first.get(), 10) == "ten bytes.");
      }
    }
  }
}

TEST_CASE("splice, tee: where a socket lets nobody look at a message, any that has room arrives") {
  for (const bool tees : {false, true}) {
    // All there is, or no more than the message.
    for (const std::uint64_t nbytes : {zc::to_end, std::uint64_t{10}}) {
      CAPTURE(tees);
      CAPTURE(nbytes);
      support::ends pair = message_pair(SOCK_SEQPACKET | SOCK_NONBLOCK);
      send_whole(pair.second.get(), "ten bytes.");
      pair.second = {};
      const std::array<zc::fd, 2> outs{support::empty_file(), support::empty_file()};
      zc::context context;
      support::scripted_kernel kernel(
          {.what = support::fault::kind::error, .error = EOPNOTSUPP, .opcode = IORING_OP_RECV});
      kernel.stand_before(context);
      zc::transfer done;
      if (tees) {
        done = std::move(
            context.run(zc::tee(pair.first.get(), std::vector<int>{outs[0].get(), outs[1].get()},
                                {.nbytes = nbytes}))[0]);
      } else {
        done = context.run(zc::try_splice(pair.first.get(), outs[0].get(), {.nbytes = nbytes}));
      }
      CHECK(kernel.met());
      if (nbytes == zc::to_end) {
        CHECK(done.reason == zc::stop_reason::end_of_file);
        CHECK(support::contents(outs[0].get()) == "ten bytes.");
      } else {
        CHECK(done.error == std::errc::operation_not_supported);
        CHECK(done.taken == 0);
        CHECK(support::read_some(pair.first.get(), 10) == "ten bytes.");
      }
    }
  }
}

TEST_CASE("splice: an error that a UDP socket tells only once is told") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    support::ends pair = udp_pair();
    support::set_nonblocking(pair.first.get(), true);
    pair.second = {};
    send_whole(pair.first.get(), "to nobody");
    const zc::fd out = support::empty_file();
    const zc::transfer done = zc::run(zc::timeout(
        5s, zc::try_splice(pair.first.get(), out.get(), {.nbytes = 6, .route = route})));
    CHECK(done.error == std::errc::connection_refused);
    CHECK(done.side == zc::side::in);
    CHECK(done.taken == 0);
  }
}

TEST_CASE("splice: an empty datagram is not the end") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const support::ends pair = message_pair(SOCK_DGRAM | SOCK_NONBLOCK);
    const zc::fd out = support::empty_file();
    send_whole(pair.second.get(), "one");
    send_whole(pair.second.get(), "");
    send_whole(pair.second.get(), "two");
    const zc::transfer done = zc::run(zc::timeout(
        5s, zc::try_splice(pair.first.get(), out.get(), {.nbytes = 6, .route = route})));
    CHECK(done.moved == 6);
    CHECK(support::contents(out.get()) == "onetwo");
  }
}

TEST_CASE("splice: what a UDP target accepted has been sent") {
  for (const zc::route route : support::routes) {
    for (const zc::splice_flags flags : {zc::splice_flags::none, zc::splice_flags::more}) {
      CAPTURE(route);
      CAPTURE(static_cast<unsigned>(flags));
      const support::ends pair = udp_pair();
      support::set_nonblocking(pair.first.get(), true);
      support::set_nonblocking(pair.second.get(), true);
      const zc::fd in = support::file_of(100'000);
      const zc::transfer done =
          transfer(in.get(), pair.first.get(), {.flags = flags, .route = route});
      CHECK(done.moved == 100'000);
      std::string got;
      std::vector<char> buffer(65536);
      for (;;) {
        const ssize_t some = ::recv(pair.second.get(), buffer.data(), buffer.size(), 0);
        if (some < 0) break;
        got.append(buffer.data(), static_cast<std::size_t>(some));
      }
      CHECK(got.size() == done.moved);
      CHECK(support::are_bytes_at(got, 0));
    }
  }
}

TEST_CASE("splice: nonblock takes nothing from a stream that the target has no room for") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const support::ends from = support::unix_pair(SOCK_NONBLOCK);
    const support::ends to = support::tcp_pair(SOCK_NONBLOCK);
    std::string block(65536, 'x');
    while (::send(to.first.get(), block.data(), block.size(), MSG_DONTWAIT) > 0) {
    }
    send_whole(from.second.get(), "stays");
    const zc::transfer done = transfer(from.first.get(), to.first.get(),
                                       {.flags = zc::splice_flags::nonblock, .route = route});
    CHECK(done.reason == zc::stop_reason::would_block);
    CHECK(done.taken == 0);
    CHECK(::recv(from.first.get(), block.data(), block.size(), 0) == 5);
  }
}

TEST_CASE("splice: nonblock takes no more than the target has room for") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const support::ends from = support::unix_pair(SOCK_NONBLOCK);
    const support::ends to = support::unix_pair(SOCK_NONBLOCK);
    const int room = 1 << 20;
    ::setsockopt(from.second.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    const std::string plenty = support::bytes_at(0, 500'000);
    // As much as the limits allow: more than the other pair's buffer, which is not enlarged.
    const ssize_t sent = ::send(from.second.get(), plenty.data(), plenty.size(), 0);
    REQUIRE(sent > 0);
    const zc::transfer done = transfer(from.first.get(), to.first.get(),
                                       {.flags = zc::splice_flags::nonblock, .route = route});
    CHECK(done.reason == zc::stop_reason::would_block);
    CHECK(done.moved > 0);
    CHECK(done.moved < static_cast<std::uint64_t>(sent));
    CHECK(done.remainder.empty());
  }
}

TEST_CASE("splice: a forced route that the target cannot serve takes nothing") {
  for (const zc::route route : {zc::route::direct, zc::route::ring}) {
    CAPTURE(route);
    const support::ends from = support::unix_pair(SOCK_NONBLOCK);
    send_whole(from.second.get(), "12345678");
    const zc::fd counter(::eventfd(0, EFD_CLOEXEC));
    const zc::fd full = support::open_file("/dev/full", O_WRONLY);
    for (const int out : {counter.get(), full.get()}) {
      const zc::transfer done = transfer(from.first.get(), out, {.nbytes = 8, .route = route});
      CHECK(done.error == std::errc::invalid_argument);
      CHECK(done.side == zc::side::out);
      CHECK(done.taken == 0);
      CHECK(done.route == route);
    }
  }
}

TEST_CASE("splice: its end is no snapshot: a file changed afterwards reaches the peer changed") {
  // As README says. Pages on their way are shared with the file; a copy of them is not.
  for (const bool tcp : {true, false}) {
    for (const zc::route route : support::routes) {
      CAPTURE(tcp);
      CAPTURE(route);
      constexpr std::size_t size = 60'000;
      const support::ends pair =
          tcp ? support::tcp_pair(SOCK_NONBLOCK) : support::unix_pair(SOCK_NONBLOCK);
      const int room = 1 << 20;
      ::setsockopt(pair.first.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
      const zc::fd file = support::file_of(size, 1);
      const zc::transfer done = transfer(file.get(), pair.first.get(), {.route = route});
      REQUIRE(done.moved == size);
      CHECK(done.reason == zc::stop_reason::complete);
      const std::string changed = support::bytes_at(0, size, 2);
      REQUIRE(::pwrite(file.get(), changed.data(), size, 0) == static_cast<ssize_t>(size));
      ::shutdown(pair.first.get(), SHUT_WR);
      support::set_nonblocking(pair.second.get(), false);
      const std::string got = support::read_all(pair.second.get());
      CHECK(got.size() == size);
      CHECK(support::are_bytes_at(got, 0, done.route == zc::route::copy ? 1 : 2));
      if (route == zc::route::copy) CHECK(done.route == zc::route::copy);
      if (route == zc::route::direct || route == zc::route::ring) CHECK(done.route == route);
    }
  }
}

TEST_CASE("splice: a file in a pipe is no snapshot either, but by route::copy it is") {
  for (const bool in_memory : {false, true}) {
    for (const zc::route route : support::routes) {
      CAPTURE(in_memory);
      CAPTURE(route);
      // On a disk and in memory.
      const support::temporary_directory directory;
      const zc::fd file = in_memory ? support::empty_file()
                                    : support::open_file(directory.path(), O_RDWR | O_TMPFILE);
      constexpr std::size_t size = 20'000;
      support::write_all(file.get(), support::bytes_at(0, size, 1));
      const support::ends pipe = support::make_pipe();
      REQUIRE(transfer(file.get(), pipe.second.get(), {.route = route}).moved == size);
      // Whoever has not read yet sees it at once.
      const std::string changed = support::bytes_at(0, size, 2);
      REQUIRE(::pwrite(file.get(), changed.data(), size, 0) == static_cast<ssize_t>(size));
      const std::string got = support::read_some(pipe.first.get(), size);
      CHECK(got.size() == size);
      CHECK(support::are_bytes_at(got, 0, route == zc::route::copy ? 1 : 2));
    }
  }
}

TEST_CASE("context: with the standard descriptors closed, none of its own takes their place") {
  const auto body = [] {
    const zc::fd in = support::file_of(8);
    zc::context before;  // its descriptors are high already
    ::close(0);
    ::close(1);
    ::close(2);
    zc::context context;
    const auto moving = [](int from) -> zc::task<int> {
      const zc::fd out = support::empty_file();  // takes 0, after all of the context's
      if (out.get() != 0) co_return 1;
      const zc::transfer fine = co_await zc::try_splice(from, out.get());
      if (fine.moved != 8) co_return 2;
      for (const int closed : {1, 2}) {
        const zc::transfer refused = co_await zc::try_splice(from, closed);
        if (refused.error != std::errc::bad_file_descriptor) co_return 3;
      }
      co_return 0;
    };
    return context.run(moving(in.get()));
  };
  CHECK(support::exited_with(support::in_child(body), 0));
}

namespace {

/// How long a transfer takes to a blocking socket with a buffer for a few KiB.
std::chrono::steady_clock::duration time_to_small_buffer(zc::splice_options options) {
  constexpr std::size_t size = 150'000;
  const support::ends from = support::unix_pair();
  support::ends to = support::tcp_pair();
  const int few_bytes = 16 * 1024;
  const int at_once = 1;
  ::setsockopt(to.second.get(), SOL_SOCKET, SO_SNDBUF, &few_bytes, sizeof few_bytes);
  ::setsockopt(to.second.get(), IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
  std::thread source([&] {
    support::write_all(from.second.get(), support::bytes_at(0, size));
    ::shutdown(from.second.get(), SHUT_WR);
  });
  support::reader target(to.first.get());
  const auto began = std::chrono::steady_clock::now();
  const zc::transfer done = transfer(from.first.get(), to.second.get(), options);
  const auto took = std::chrono::steady_clock::now() - began;
  { const zc::fd closed = std::move(to.second); }
  source.join();
  CHECK(done.moved == size);
  CHECK(target.bytes() == support::bytes_at(0, size));
  return took;
}

}  // namespace

TEST_CASE("splice: what fills a blocking socket's small buffer is sent before it waits for room") {
  for (const zc::route route : {zc::route::automatic, zc::route::ring}) {
    for (const zc::splice_flags flags : {zc::splice_flags::none, zc::splice_flags::more}) {
      CAPTURE(route);
      // Held back for more, it takes 200 ms each of several times that the buffer is full.
      auto best = std::chrono::steady_clock::duration::max();
      for (int i = 0; i < 8 && best >= 500ms; ++i) {
        best = std::min(best, time_to_small_buffer({.flags = flags, .route = route}));
      }
      CHECK(best < 500ms);
    }
  }
}

TEST_SUITE_END();
