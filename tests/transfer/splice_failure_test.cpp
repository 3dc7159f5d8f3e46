// Transfers that fail on the way: no byte is lost, none is another's, and the process lives.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>

#include "support/process.hpp"
#include "support/transfers.hpp"
#include "zc/op/recv.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"

using namespace std::chrono_literals;
using support::transfer;

TEST_SUITE_BEGIN("kernel");

namespace {

std::string text_of(const zc::remainder& bytes) {
  return {reinterpret_cast<const char*>(bytes.bytes().data()), bytes.size()};
}

/// What must hold when `out` has failed after `moved` bytes of a stream that begins at 0.
void check_stranded(zc::transfer& done, int error, int in) {
  CHECK(done.reason == zc::stop_reason::failed);
  CHECK(done.error == std::error_code(error, std::system_category()));
  CHECK(done.side == zc::side::out);
  CHECK(support::conserved(done));
  CHECK(support::are_bytes_at(text_of(done.remainder), done.moved));
  // The remainder and what is still in the source make up the rest, in order.
  const zc::fd rescue = support::empty_file();
  const std::uint64_t moved = done.moved;
  const zc::transfer delivered = zc::run(zc::try_splice(std::move(done.remainder), rescue.get()));
  CHECK(delivered.reason == zc::stop_reason::complete);
  CHECK(delivered.taken == delivered.moved);
  const zc::transfer rest =
      transfer(in, rescue.get(), {.out_offset = static_cast<std::int64_t>(delivered.moved)});
  CHECK_FALSE(rest.error);
  const std::string all = support::contents(rescue.get());
  CHECK(moved + all.size() == 200'000);
  CHECK(support::are_bytes_at(all, moved));
}

/// A stream that holds 200 000 bytes and ends: they cannot be read twice.
support::ends loaded_stream() {
  support::ends pair = support::unix_pair(SOCK_NONBLOCK);
  const int size = 1 << 20;
  ::setsockopt(pair.second.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  support::write_all(pair.second.get(), support::bytes_at(0, 200'000));
  ::shutdown(pair.second.get(), SHUT_WR);
  return pair;
}

}  // namespace

TEST_CASE("splice: nothing is lost when the target hits the file size limit") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const support::ends in = loaded_stream();
    const support::temporary_directory directory;
    const zc::fd out = support::open_file(directory.path() / "out", O_RDWR | O_CREAT);
    zc::transfer done;
    {
      const support::limit size(RLIMIT_FSIZE, 30'000);
      done = transfer(in.first.get(), out.get(), {.route = route});
    }
    CHECK(done.moved == 30'000);
    CHECK(support::are_bytes_at(support::contents(out.get()), 0));
    check_stranded(done, EFBIG, in.first.get());
  }
}

TEST_CASE("splice: nothing is lost when the target's disk is full") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const support::ends in = loaded_stream();
    const support::small_filesystem full(64 * 1024);
    const zc::fd out = support::open_file(full.path() / "out", O_RDWR | O_CREAT);
    zc::transfer done = transfer(in.first.get(), out.get(), {.route = route});
    CHECK(done.moved == 65536);
    CHECK(support::are_bytes_at(support::contents(out.get()), 0));
    check_stranded(done, ENOSPC, in.first.get());
  }
}

TEST_CASE("splice: at the file position too, nothing is lost when the disk or the limit is full") {
  for (const zc::route route : support::routes) {
    for (const bool disk : {false, true}) {
      for (const off_t before : {0, 100}) {
        CAPTURE(route);
        CAPTURE(disk);
        CAPTURE(before);
        const support::ends in = loaded_stream();
        const support::small_filesystem full(64 * 1024);
        const zc::fd out = support::open_file(full.path() / "out", O_RDWR | O_CREAT);
        support::write_all(out.get(), support::bytes_at(0, static_cast<std::size_t>(before), 9));
        zc::transfer done;
        {
          const support::limit size(RLIMIT_FSIZE, disk ? 1 << 20 : 65'536);
          done = transfer(in.first.get(), out.get(),
                          {.out_offset = zc::file_position, .route = route});
        }
        CHECK(done.moved == static_cast<std::uint64_t>(65'536 - before));
        CHECK(::lseek(out.get(), 0, SEEK_CUR) == 65'536);
        const std::string got = support::contents(out.get());
        CHECK(support::are_bytes_at(got.substr(0, static_cast<std::size_t>(before)), 0, 9));
        CHECK(support::are_bytes_at(got.substr(static_cast<std::size_t>(before)), 0));
        check_stranded(done, disk ? ENOSPC : EFBIG, in.first.get());
      }
    }
  }
}

TEST_CASE("splice: nothing is lost when the target is sealed in mid-stream") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const support::ends in = loaded_stream();
    const zc::fd out(::memfd_create("zc-test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    CHECK(transfer(in.first.get(), out.get(), {.nbytes = 50'000, .route = route}).moved == 50'000);
    REQUIRE(::fcntl(out.get(), F_ADD_SEALS, F_SEAL_WRITE) == 0);
    zc::transfer done = transfer(in.first.get(), out.get(), {.route = route});
    CHECK(done.moved == 0);
    CHECK(done.error == std::errc::operation_not_permitted);
    CHECK(done.side == zc::side::out);
    CHECK(support::conserved(done));
    CHECK(support::are_bytes_at(text_of(done.remainder), 50'000));
  }
}

TEST_CASE("splice: nothing is lost when the peer resets in mid-stream") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const support::ends in = support::unix_pair(SOCK_NONBLOCK);
    support::ends out = support::tcp_pair(SOCK_NONBLOCK);
    std::string received;
    const auto play = [&]() -> zc::task<zc::transfer> {
      auto moving = [](int from, int to, zc::route by, zc::transfer& done) -> zc::task<> {
        done = co_await zc::try_splice(from, to, {.route = by});
      };
      auto disturbing = [](int feed, zc::fd& peer, std::string& got) -> zc::task<> {
        support::write_all(feed, support::bytes_at(0, 100'000));
        support::set_nonblocking(peer.get(), false);
        got.resize(40'000);
        for (std::size_t size = 0; size < got.size();) {
          const auto some = co_await zc::op::recv(peer.get(), &got[size], got.size() - size);
          size += some.value();
        }
        support::reset_on_close(peer.get());
        { const zc::fd closed = std::move(peer); }
        co_await zc::sleep_for(20ms);
        support::write_all(feed, support::bytes_at(100'000, 100'000));
        ::shutdown(feed, SHUT_WR);
      };
      zc::transfer done;
      zc::task<> first = moving(in.first.get(), out.first.get(), route, done);
      zc::task<> second = disturbing(in.second.get(), out.second, received);
      co_await zc::when_all(std::move(first), std::move(second));
      co_return done;
    };
    const zc::transfer done = zc::run(play());
    CHECK(support::are_bytes_at(received, 0));
    CHECK(done.reason == zc::stop_reason::failed);
    const bool reset =
        done.error == std::errc::connection_reset || done.error == std::errc::broken_pipe;
    CHECK(reset);
    CHECK(done.side == zc::side::out);
    CHECK(done.moved >= 40'000);
    CHECK(support::conserved(done));
    // What was taken and not moved, then what is left in the source: the rest of the stream.
    const std::string rest = text_of(done.remainder) + [&] {
      support::set_nonblocking(in.first.get(), false);
      return support::read_all(in.first.get());
    }();
    CHECK(done.moved + rest.size() == 200'000);
    CHECK(support::are_bytes_at(rest, done.moved));
  }
}

TEST_CASE("remainder: what cannot be delivered stays a remainder") {
  const support::ends in = loaded_stream();
  const zc::fd full = support::open_file("/dev/full", O_WRONLY);
  zc::transfer first = transfer(in.first.get(), full.get(), {.nbytes = 1000});
  CHECK(first.error == std::errc::no_space_on_device);
  CHECK(first.remainder.size() == 1000);
  zc::transfer again = zc::run(zc::try_splice(std::move(first.remainder), full.get()));
  CHECK(again.error == std::errc::no_space_on_device);
  CHECK(again.taken == 1000);
  CHECK(again.moved == 0);
  CHECK(again.remainder.size() == 1000);
  zc::transfer refused = zc::run(zc::try_splice(std::move(again.remainder), 9999));
  CHECK(refused.error == std::errc::bad_file_descriptor);
  CHECK(refused.remainder.size() == 1000);
  const zc::fd out = support::empty_file();
  CHECK(zc::run(zc::splice(std::move(refused.remainder), out.get())) == 1000);
  CHECK(support::are_bytes_at(support::contents(out.get()), 0));
}

TEST_CASE("remainder: what makes no sense for bytes in memory is refused, and they stay") {
  const support::ends in = loaded_stream();
  const zc::fd full = support::open_file("/dev/full", O_WRONLY);
  zc::transfer held = transfer(in.first.get(), full.get(), {.nbytes = 1000});
  const zc::fd out = support::empty_file();
  for (const zc::splice_options& odd :
       {zc::splice_options{.offset = 1}, zc::splice_options{.nbytes = 1000},
        zc::splice_options{.route = zc::route::ring},
        zc::splice_options{.route = zc::route::direct},
        zc::splice_options{.flags = static_cast<zc::splice_flags>(1 << 20)}}) {
    CAPTURE(odd.offset);
    CAPTURE(odd.nbytes);
    CAPTURE(odd.route);
    held = zc::run(zc::try_splice(std::move(held.remainder), out.get(), odd));
    CHECK(held.error == std::errc::invalid_argument);
    CHECK(held.moved == 0);
    REQUIRE(held.remainder.size() == 1000);
  }
  CHECK(zc::run(zc::splice(std::move(held.remainder), out.get(), {.route = zc::route::copy})) ==
        1000);
  CHECK(support::are_bytes_at(support::contents(out.get()), 0));
}

TEST_CASE("splice: a transfer after a failed one delivers no foreign byte") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    // One context, and so one pool of pipes, for both.
    const auto both = [](zc::route by) -> zc::task<> {
      const support::ends first = loaded_stream();
      const zc::fd full = support::open_file("/dev/full", O_WRONLY);
      const support::small_filesystem tiny(4096);
      const zc::fd small = support::open_file(tiny.path() / "out", O_RDWR | O_CREAT);
      const zc::transfer failed = co_await zc::try_splice(
          first.first.get(), by == zc::route::automatic ? full.get() : small.get(), {.route = by});
      CHECK(failed.reason == zc::stop_reason::failed);
      const support::ends stalled = support::unix_pair(SOCK_NONBLOCK);
      const zc::fd big = support::file_of(2'000'000, 1);
      const zc::transfer cut =
          co_await zc::timeout(30ms, zc::try_splice(big.get(), stalled.first.get(), {.route = by}));
      CHECK(cut.reason == zc::stop_reason::timed_out);
      CHECK(support::conserved(cut));

      const zc::fd in = support::file_of(300'000, 2);
      const zc::fd out = support::empty_file();
      const std::uint64_t moved = co_await zc::splice(in.get(), out.get(), {.route = by});
      CHECK(moved == 300'000);
      const std::string got = support::contents(out.get());
      CHECK(support::are_bytes_at(got, 0, 2));
    };
    zc::run(both(route));
  }
}

TEST_CASE("splice: a file truncated meanwhile ends the transfer with the right count") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const zc::fd in = support::file_of(8'000'000);
    const support::ends pair = support::tcp_pair(SOCK_NONBLOCK);
    const auto play = [&]() -> zc::task<zc::transfer> {
      auto moving = [](int from, int to, zc::route by, zc::transfer& done) -> zc::task<> {
        done = co_await zc::try_splice(from, to, {.route = by});
        ::shutdown(to, SHUT_WR);
      };
      auto reading = [](int from, int cut, std::string& got) -> zc::task<> {
        co_await zc::sleep_for(20ms);  // the sockets are full now
        CHECK(::ftruncate(cut, 1000) == 0);
        got.resize(9'000'000);
        std::size_t size = 0;
        for (;;) {
          const auto some = co_await zc::op::recv(from, &got[size], got.size() - size);
          if (some.value() == 0) break;
          size += some.value();
        }
        got.resize(size);
      };
      zc::transfer done;
      std::string got;
      zc::task<> first = moving(in.get(), pair.first.get(), route, done);
      zc::task<> second = reading(pair.second.get(), in.get(), got);
      co_await zc::when_all(std::move(first), std::move(second));
      CHECK(got.size() == done.moved);
      co_return done;
    };
    const auto began = std::chrono::steady_clock::now();
    const zc::transfer done = zc::run(play());
    CHECK(done.reason == zc::stop_reason::end_of_file);
    CHECK_FALSE(done.error);
    CHECK(done.moved < 8'000'000);
    CHECK(done.moved > 0);
    CHECK(support::conserved(done));
    // It ended; that it did so without spinning is seen in the CPU time of the stalled cases.
    CHECK(std::chrono::steady_clock::now() - began < 30s);
  }
}

TEST_CASE("splice: a file that grows meanwhile gives what it had at the start") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const zc::fd in = support::file_of(1'000'000);
    const support::ends pair = support::unix_pair(SOCK_NONBLOCK);
    const auto grow_then_read = [](int file, int from) -> zc::task<std::size_t> {
      co_await zc::sleep_for(10ms);
      CHECK(::pwrite(file, "more", 4, 1'000'000) == 4);
      std::array<std::byte, 65536> buffer{};
      std::size_t size = 0;
      for (;;) {
        const auto some = co_await zc::op::recv(from, buffer.data(), buffer.size());
        if (some.value() == 0) break;
        size += some.value();
      }
      co_return size;
    };
    const auto move_and_end = [](int from, int to, zc::route by) -> zc::task<zc::transfer> {
      zc::transfer done = co_await zc::try_splice(from, to, {.route = by});
      ::shutdown(to, SHUT_WR);
      co_return done;
    };
    const auto play = [&]() -> zc::task<> {
      zc::task<zc::transfer> moving = move_and_end(in.get(), pair.first.get(), route);
      zc::task<std::size_t> reading = grow_then_read(in.get(), pair.second.get());
      const auto both = co_await zc::when_all(std::move(moving), std::move(reading));
      CHECK(std::get<0>(both).moved == 1'000'000);
      CHECK(std::get<0>(both).reason == zc::stop_reason::complete);
      CHECK(std::get<1>(both) == 1'000'000);
    };
    zc::run(play());
  }
}

TEST_CASE("splice: a dead peer is EPIPE on every route, and no SIGPIPE") {
  struct sigaction before {};
  ::sigaction(SIGPIPE, nullptr, &before);
  const bool by_default = before.sa_handler == SIG_DFL;
  REQUIRE(by_default);
  for (const zc::route route : support::routes) {
    for (const bool socket : {false, true}) {
      CAPTURE(route);
      CAPTURE(socket);
      const auto body = [route, socket] {
        support::ends pair =
            socket ? support::unix_pair(SOCK_NONBLOCK) : support::make_pipe(O_NONBLOCK);
        if (!socket) std::swap(pair.first, pair.second);
        { const zc::fd closed = std::move(pair.second); }
        const zc::fd in = support::file_of(100'000);
        for (int i = 0; i < 3; ++i) {
          const zc::transfer done = transfer(in.get(), pair.first.get(), {.route = route});
          if (done.error != std::errc::broken_pipe) return 1;
          if (done.side != zc::side::out || done.moved != 0) return 2;
          if (!support::conserved(done)) return 3;
        }
        sigset_t pending;
        ::sigpending(&pending);
        return ::sigismember(&pending, SIGPIPE) == 1 ? 4 : 0;
      };
      CHECK(support::exited_with(support::in_child(body), 0));
    }
  }
}

TEST_CASE("splice: without a descriptor left for a pipe it copies, and does not fail") {
  const auto body = [] {
    const support::ends in = loaded_stream();
    const zc::fd out = support::empty_file();
    const auto starved = [](int from, int to) -> zc::task<zc::transfer> {
      const support::limit none(RLIMIT_NOFILE, 3);  // what is open stays open
      co_return co_await zc::try_splice(from, to, {.nbytes = 200'000});
    };
    const zc::transfer done = zc::run(starved(in.first.get(), out.get()));
    if (done.moved != 200'000 || done.route != zc::route::copy) return 1;
    return support::are_bytes_at(support::contents(out.get()), 0) ? 0 : 2;
  };
  CHECK(support::exited_with(support::in_child(body), 0));
}

TEST_SUITE_END();
