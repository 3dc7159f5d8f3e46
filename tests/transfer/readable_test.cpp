// Sockets that poll(2) does not call readable although bytes are there: SO_RCVLOWAT.

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "support/line.hpp"
#include "support/transfers.hpp"
#include "zc/context.hpp"
#include "zc/recv_stream.hpp"
#include "zc/relay.hpp"
#include "zc/tee.hpp"
#include "zc/timeout.hpp"
#include "zc/with_stop.hpp"

using namespace std::chrono_literals;

TEST_SUITE_BEGIN("kernel");

namespace {

constexpr int low_water = 1000;

/// Six bytes are there, and not enough for poll(2): first the end to read from.
support::ends six_bytes(int flags) {
  support::ends pair = support::tcp_pair(flags);
  REQUIRE(::setsockopt(pair.first.get(), SOL_SOCKET, SO_RCVLOWAT, &low_water, sizeof low_water) ==
          0);
  support::write_all(pair.second.get(), support::bytes_at(0, 6));
  std::array<char, 6> there{};
  while (::recv(pair.first.get(), there.data(), there.size(), MSG_PEEK | MSG_DONTWAIT) < 6) {
    std::this_thread::yield();
  }
  return pair;
}

enum class kind : std::uint8_t { file, pipe, socket };

support::ends target_of(kind of) {
  if (of == kind::file) return {support::empty_file(), {}};
  support::ends made = of == kind::pipe ? support::make_pipe() : support::tcp_pair();
  return {std::move(made.second), std::move(made.first)};
}

std::string arrived(kind at, const support::ends& target, std::size_t nbytes) {
  if (at == kind::file) return support::contents(target.first.get());
  return support::read_some(target.second.get(), nbytes);
}

/// Fails instead of hanging.
zc::transfer transfer(int in, int out, zc::splice_options options) {
  return zc::run(zc::timeout(5s, zc::try_splice(in, out, options)));
}

template <class Body>
void for_each_way(Body body) {
  support::for_each_route([&](zc::route route, int flags) {
    for (const kind to : {kind::file, kind::pipe, kind::socket}) {
      if (to == kind::socket && route == zc::route::direct) continue;  // refuses a blocking one
      CAPTURE(static_cast<int>(to));
      body(route, flags, to);
    }
  });
}

}  // namespace

TEST_CASE("readable: what is there is taken, though SO_RCVLOWAT asks for more") {
  for_each_way([](zc::route route, int flags, kind to) {
    const support::ends from = six_bytes(flags);
    const support::ends out = target_of(to);
    for (const zc::splice_flags how : {zc::splice_flags::none, zc::splice_flags::nonblock}) {
      const zc::transfer done =
          transfer(from.first.get(), out.first.get(),
                   {.nbytes = 3, .flags = how, .out_offset = zc::file_position, .route = route});
      CHECK(done.reason == zc::stop_reason::complete);
      CHECK(done.moved == 3);
    }
    CHECK(arrived(to, out, 6) == support::bytes_at(0, 6));
  });
}

TEST_CASE("readable: what is there goes on at once, and more is waited for as poll(2) tells") {
  for_each_way([](zc::route route, int flags, kind to) {
    const support::ends from = six_bytes(flags);
    const support::ends out = target_of(to);
    zc::progress seen;
    const zc::splice_options ten{
        .nbytes = 10, .out_offset = zc::file_position, .route = route, .progress = &seen};
    std::stop_source stop;
    std::thread watcher([&] {
      for (int i = 0; i < 5000 && seen.moved < 6; ++i) std::this_thread::sleep_for(1ms);
      std::this_thread::sleep_for(5ms);
      stop.request_stop();
    });
    const zc::transfer fewer = zc::run(
        zc::with_stop(stop.get_token(), zc::try_splice(from.first.get(), out.first.get(), ten)));
    watcher.join();
    CHECK(fewer.reason == zc::stop_reason::cancelled);
    CHECK(fewer.moved == 6);
    CHECK(fewer.taken == 6);
    CHECK(arrived(to, out, 6) == support::bytes_at(0, 6));

    // Then as many as SO_RCVLOWAT says, or the end.
    const auto late = [&]() -> zc::task<zc::transfer> {
      std::thread peer([&] {
        std::this_thread::sleep_for(10ms);
        support::write_all(from.second.get(), support::bytes_at(6, low_water));
      });
      zc::transfer done =
          co_await zc::timeout(5s, zc::try_splice(from.first.get(), out.first.get(), ten));
      peer.join();
      co_return done;
    };
    CHECK(zc::run(late()).moved == 10);
    ::shutdown(from.second.get(), SHUT_WR);
    const zc::transfer rest = transfer(from.first.get(), out.first.get(),
                                       {.out_offset = zc::file_position, .route = route});
    CHECK(rest.reason == zc::stop_reason::end_of_file);
    CHECK(rest.moved == low_water - 10);
  });
}

TEST_CASE("readable: with nothing there, splice_flags::nonblock says so at once") {
  for_each_way([](zc::route route, int flags, kind to) {
    const support::ends from = six_bytes(flags);
    const support::ends out = target_of(to);
    const zc::splice_options now{
        .flags = zc::splice_flags::nonblock, .out_offset = zc::file_position, .route = route};
    const zc::transfer six = transfer(from.first.get(), out.first.get(), now);
    CHECK(six.reason == zc::stop_reason::would_block);
    CHECK(six.moved == 6);
    const zc::transfer none = transfer(from.first.get(), out.first.get(), now);
    CHECK(none.reason == zc::stop_reason::would_block);
    CHECK(none.moved == 0);
  });
}

TEST_CASE("readable: a tee takes what is there, too") {
  for (const int flags : {0, int{SOCK_NONBLOCK}}) {
    for (const zc::splice_flags how : {zc::splice_flags::none, zc::splice_flags::nonblock}) {
      CAPTURE(flags);
      const support::ends from = six_bytes(flags);
      const zc::fd first = support::empty_file();
      const zc::fd second = support::empty_file();
      const std::vector<int> outs{first.get(), second.get()};
      const std::vector<zc::transfer> copies =
          zc::run(zc::timeout(5s, zc::tee(from.first.get(), outs, {.nbytes = 3, .flags = how})));
      for (const zc::transfer& each : copies) {
        CHECK(each.reason == zc::stop_reason::complete);
        CHECK(each.moved == 3);
      }
      CHECK(support::contents(second.get()) == support::bytes_at(0, 3));
    }
  }
}

TEST_CASE("readable: a relay passes on what is there, and what comes before an end") {
  support::for_each_route([](zc::route route, int flags) {
    const support::ends left = six_bytes(flags);
    const support::ends right = six_bytes(flags);
    const auto both = [&]() -> zc::task<zc::relay_result> {
      std::thread peers([&] {
        CHECK(support::read_some(left.second.get(), 6) == support::bytes_at(0, 6));
        CHECK(support::read_some(right.second.get(), 6) == support::bytes_at(0, 6));
        support::write_all(left.second.get(), support::bytes_at(6, 6));
        ::shutdown(left.second.get(), SHUT_WR);
        CHECK(support::read_some(right.second.get(), 6) == support::bytes_at(6, 6));
        ::shutdown(right.second.get(), SHUT_WR);
      });
      zc::relay_result done = co_await zc::timeout(
          8s, zc::relay(left.first.get(), right.first.get(), {.route = route}));
      peers.join();
      co_return done;
    };
    const zc::relay_result done = zc::run(both());
    CHECK(done.a_to_b.reason == zc::stop_reason::end_of_file);
    CHECK(done.a_to_b.moved == 12);
    CHECK(done.b_to_a.reason == zc::stop_reason::end_of_file);
    CHECK(done.b_to_a.moved == 6);
  });
}

TEST_CASE("readable: a recv_stream receives what is there, also without buffers of the kernel's") {
  for (const std::uint32_t buffers : {0U, 16U}) {
    for (const bool multishot : {false, true}) {
      for (const int flags : {0, int{SOCK_NONBLOCK}}) {
        CAPTURE(buffers);
        CAPTURE(multishot);
        CAPTURE(flags);
        const support::ends from = six_bytes(flags);
        const auto receive = [&]() -> zc::task<std::string> {
          zc::recv_stream stream(from.first.get(), {.multishot = multishot});
          const zc::result<zc::received> got = co_await stream.next();
          if (!got) co_return got.error().message();
          const auto bytes = got->bytes();
          co_return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        };
        zc::context context({.recv_buffers = buffers});
        CHECK(context.run(zc::timeout(5s, receive())) == support::bytes_at(0, 6));
      }
    }
  }
}

TEST_SUITE_END();
