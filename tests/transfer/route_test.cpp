// Which way bytes go when zc chooses, and what the context's counters tell of it.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "support/process.hpp"
#include "support/scripted_kernel.hpp"
#include "support/transfers.hpp"
#include "zc/op/poll.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"

namespace {

constexpr std::size_t large = 1'000'000;

struct outcome {
  zc::transfer done;
  zc::counters counted;
};

outcome transfer_and_count(int in, int out, zc::splice_options options = {}) {
  zc::context context;
  zc::transfer done = context.run(zc::try_splice(in, out, options));
  return {std::move(done), context.counters()};
}

/// Whether this kernel tells what is in its page cache (Linux 6.5).
bool can_tell_what_is_cached() {
  const zc::fd file = support::file_of(4096);
  const std::array<std::uint64_t, 2> range{0, 4096};
  std::array<std::uint64_t, 5> seen{};
  return ::syscall(451, file.get(), range.data(), seen.data(), 0u) == 0;
}

/// A file on the disk of the temporary directory, none of it in memory where `cold`.
class disk_file {
 public:
  disk_file(std::size_t size, bool cold)
      : fd_(support::open_file(in_.path() / "file", O_RDWR | O_CREAT)) {
    support::write_all(fd_.get(), support::bytes_at(0, size));
    if (cold) chill(0, size);
  }
  int fd() const { return fd_.get(); }

  void chill(std::size_t from, std::size_t nbytes) {
    REQUIRE(::fsync(fd_.get()) == 0);
    ::posix_fadvise(fd_.get(), static_cast<off_t>(from), static_cast<off_t>(nbytes),
                    POSIX_FADV_DONTNEED);
  }
  /// Whether RWF_NOWAIT is known here: tmpfs does not know it.
  bool reads_at_once() const {
    std::byte first{};
    const iovec one{&first, 1};
    return ::preadv2(fd_.get(), &one, 1, 0, RWF_NOWAIT) == 1;
  }
  /// False where files live in memory: no file system there has cold ones.
  bool is_cold(std::size_t nbytes) const {
    const std::array<std::uint64_t, 2> range{0, nbytes};
    std::array<std::uint64_t, 5> seen{};
    return ::syscall(451, fd_.get(), range.data(), seen.data(), 0u) == 0 && seen[0] == 0;
  }

 private:
  support::temporary_directory in_;
  zc::fd fd_;
};

void make_room(int fd) {
  const int bytes = 1 << 20;
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

}  // namespace

TEST_SUITE_BEGIN("kernel");

TEST_CASE("route: a few bytes of a file in memory are sent at once, to any socket") {
  const disk_file in(8'000, false);
  if (!in.reads_at_once()) {
    MESSAGE("skipped: files live in memory here, where a read cannot be told not to wait");
    return;
  }
  for (const int flags : {0, static_cast<int>(SOCK_NONBLOCK)}) {
    for (const bool to_end : {true, false}) {
      CAPTURE(flags);
      CAPTURE(to_end);
      const support::ends pair = support::tcp_pair(flags);
      zc::context context;
      support::scripted_kernel kernel;
      kernel.stand_before(context);
      zc::progress progress;
      zc::splice_options options{.offset = 10, .nbytes = 7'000, .progress = &progress};
      if (to_end) options.nbytes = zc::to_end;
      const std::size_t size = to_end ? 7'990 : 7'000;
      const zc::transfer done = context.run(zc::try_splice(in.fd(), pair.first.get(), options));
      CHECK(done.reason == zc::stop_reason::complete);
      CHECK(done.moved == size);
      CHECK(done.taken == size);
      // Only send(2) can be told not to wait for a socket in blocking mode: a read and a send. The
      // other is served by one sendfile(2).
      const bool copies = flags == 0 || !can_tell_what_is_cached();
      CHECK(done.route == (copies ? zc::route::copy : zc::route::direct));
      CHECK(progress.moved == size);
      CHECK(progress.total == size);
      CHECK(kernel.steps() == (copies ? 2 : 1));
      const std::string got = support::read_some(pair.second.get(), size);
      CHECK(got.size() == size);
      CHECK(support::are_bytes_at(got, 10));
      const zc::counters counted = context.counters();
      CHECK((copies ? counted.copy : counted.direct).count == 1);
      CHECK((copies ? counted.copy : counted.direct).bytes == size);
    }
  }
}

TEST_CASE("route: a few bytes are refused as many are, and nothing goes") {
  const disk_file file(1'000, false);
  const int in = file.fd();
  const support::ends pair = support::unix_pair();
  const auto refused = [&](zc::splice_options options) {
    return support::transfer(in, pair.first.get(), options).error;
  };
  CHECK(refused({.nbytes = 1'001}) == std::errc::value_too_large);
  CHECK(refused({.offset = 1'000, .nbytes = 1}) == std::errc::value_too_large);
  CHECK(refused({.offset = 1'001}) == std::errc::value_too_large);
  CHECK(refused({.offset = -2, .nbytes = 1}) == std::errc::invalid_argument);
  CHECK(refused({.nbytes = 1, .out_offset = 1}) == std::errc::invalid_seek);
  CHECK(support::transfer(in, -1, {.nbytes = 1}).error == std::errc::bad_file_descriptor);
  std::array<char, 1> nothing{};
  CHECK(::recv(pair.second.get(), nothing.data(), 1, MSG_DONTWAIT) == -1);
}

TEST_CASE("route: what of a few bytes finds no room follows, from where it stands") {
  const disk_file in(16'000, false);
  for (const int flags : {0, static_cast<int>(SOCK_NONBLOCK)}) {
    CAPTURE(flags);
    const support::ends pair = support::unix_pair(flags);
    support::set_nonblocking(pair.second.get(), false);
    const int bytes = 1;
    ::setsockopt(pair.first.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    zc::context context;
    support::reader peer(pair.second.get());
    const zc::transfer done = context.run(zc::try_splice(in.fd(), pair.first.get()));
    ::shutdown(pair.first.get(), SHUT_WR);
    CHECK(done.reason == zc::stop_reason::complete);
    CHECK(done.moved == 16'000);
    CHECK(peer.bytes().size() == 16'000);
    CHECK(support::are_bytes_at(peer.bytes(), 0));
  }
}

TEST_CASE("route: whatever goes wrong with a few bytes, the counts are exact") {
  using kind = support::fault::kind;
  // Copied, and by sendfile.
  for (const std::size_t size : {std::size_t{5'000}, std::size_t{10'000}}) {
    const disk_file in(size, false);
    for (int at = 0; at < 5; ++at) {
      for (const int error : {0, EINTR, EAGAIN, EIO, ENOMEM, ECANCELED, ECONNRESET, EOPNOTSUPP}) {
        CAPTURE(at);
        CAPTURE(error);
        const support::ends pair = support::unix_pair(SOCK_NONBLOCK);
        zc::context context;
        const kind what = error == 0 ? kind::short_count : kind::error;
        support::scripted_kernel kernel(support::fault{what, error, at, 1});
        kernel.stand_before(context);
        const zc::transfer done = context.run(zc::try_splice(in.fd(), pair.first.get()));
        CHECK(support::conserved(done));
        // Where the bytes are copied there is no other way than send(2).
        const bool no_way = error == EOPNOTSUPP && !can_tell_what_is_cached();
        const bool ends_it = error == EIO || error == ENOMEM || error == ECONNRESET || no_way;
        if (done.reason == zc::stop_reason::complete) {
          CHECK(done.moved == size);
        } else {
          CHECK((ends_it || error == ECANCELED));
          CHECK(kernel.met());
        }
        ::shutdown(pair.first.get(), SHUT_WR);
        const std::string got = support::read_all(pair.second.get());
        CHECK(got.size() == done.moved);
        CHECK(support::are_bytes_at(got, 0));
      }
    }
  }
}

TEST_CASE("route: an error that a socket tells only once is told, with few bytes too") {
  const disk_file in(1'000, false);
  support::ends pair = support::tcp_pair(SOCK_NONBLOCK);
  support::reset_on_close(pair.second.get());
  pair.second = {};
  const zc::transfer done = support::transfer(in.fd(), pair.first.get());
  CHECK(done.reason == zc::stop_reason::failed);
  CHECK(done.error == std::errc::connection_reset);
  CHECK(done.side == zc::side::out);
  CHECK(done.moved == 0);
  CHECK(support::conserved(done));
}

TEST_CASE("route: a file in memory, no larger than a default pipe, goes by one sendfile") {
  if (!can_tell_what_is_cached()) return;
  const zc::fd in = support::file_of(65'536);
  const support::ends pair = support::unix_pair(SOCK_NONBLOCK);
  make_room(pair.first.get());
  const outcome seen = transfer_and_count(in.get(), pair.first.get());
  CHECK(seen.done.moved == 65'536);
  CHECK(seen.done.route == zc::route::direct);
  CHECK(seen.counted.direct.count == 1);
  CHECK(seen.counted.pipe_fills == 0);
  CHECK(support::are_bytes_at(support::read_some(pair.second.get(), 65'536), 0));
}

TEST_CASE("route: of a file that is another user's, too, what is in memory needs no worker") {
  if (!can_tell_what_is_cached()) return;
  const disk_file in(200'000, false);
  const support::ends pair = support::unix_pair(SOCK_NONBLOCK);
  make_room(pair.first.get());
  const int file = ::open(("/proc/self/fd/" + std::to_string(in.fd())).c_str(), O_RDONLY);
  const zc::fd readable(file);
  constexpr int cannot = 77;
  const int status = support::in_child([&] {
    if (!support::become_nobody()) return cannot;
    const outcome seen =
        transfer_and_count(readable.get(), pair.first.get(), {.offset = 10, .nbytes = 60'000});
    return seen.done.moved == 60'000 && seen.counted.direct.count == 1 ? 0 : 1;
  });
  if (support::exited_with(status, cannot)) {
    MESSAGE("skipped: needs root");
    return;
  }
  CHECK(support::exited_with(status, 0));
  CHECK(support::are_bytes_at(support::read_some(pair.second.get(), 60'000), 10));
}

TEST_CASE("route: a large file in memory needs no kernel worker, a cold one does") {
  if (!can_tell_what_is_cached()) return;
  for (const bool cold : {false, true}) {
    CAPTURE(cold);
    const disk_file in(large, cold);
    if (cold && !in.is_cold(large)) {
      MESSAGE("skipped: files stay in memory here");
      continue;
    }
    const support::ends pair = support::tcp_pair(SOCK_NONBLOCK);
    support::set_nonblocking(pair.second.get(), false);
    support::reader peer(pair.second.get());
    const outcome seen = transfer_and_count(in.fd(), pair.first.get());
    ::shutdown(pair.first.get(), SHUT_WR);
    CHECK(seen.done.moved == large);
    CHECK(support::are_bytes_at(peer.bytes(), 0));
    CHECK((seen.counted.cold_fills > 0) == cold);
    CHECK((seen.counted.ring.count > 0) == cold);
    CHECK(seen.counted.ring.bytes + seen.counted.direct.bytes == large);
    // sendfile(2) has a pipe inside.
    CHECK((seen.counted.pipe_fills > 0) == cold);
    CHECK(seen.counted.pipe_fill_bytes >= seen.counted.ring.bytes);
    CHECK(seen.counted.pipe_room_bytes >= seen.counted.pipe_fill_bytes);
    CHECK(seen.counted.pipes_lent == 0);
    CHECK(seen.counted.pipes_idle == (cold ? 1 : 0));
  }
}

TEST_CASE("route: only the cold part of a file goes to a kernel worker") {
  constexpr std::size_t size = 4 << 20;
  disk_file in(size, true);
  if (!can_tell_what_is_cached() || !in.is_cold(size)) {
    MESSAGE("skipped: files stay in memory here, or the kernel does not tell");
    return;
  }
  // Warm again, but for a part in the middle.
  CHECK(support::contents(in.fd()).size() == size);
  in.chill(1 << 20, 1 << 20);
  const zc::fd null = support::open_file("/dev/null", O_WRONLY);
  const outcome seen = transfer_and_count(in.fd(), null.get());
  CHECK(seen.done.moved == size);
  CHECK(seen.counted.cold_fills > 0);
  CHECK(seen.counted.direct.bytes >= (2u << 20));
}

TEST_CASE("route: /dev/null and /dev/zero need no kernel worker") {
  const zc::fd zero = support::open_file("/dev/zero", O_RDWR);
  const zc::fd null = support::open_file("/dev/null", O_WRONLY);
  if (!can_tell_what_is_cached()) return;  // nor does /dev/zero splice before Linux 6.5
  const outcome seen = transfer_and_count(zero.get(), null.get(), {.nbytes = large});
  CHECK(seen.done.moved == large);
  CHECK(seen.done.route == zc::route::direct);
  CHECK(seen.counted.ring.count == 0);
}

TEST_CASE("route: few bytes at a time from socket to socket are copied, many are spliced") {
  for (const int flags : {0, static_cast<int>(SOCK_NONBLOCK)}) {
    CAPTURE(flags);
    const support::ends from = support::unix_pair(flags);
    const support::ends to = support::tcp_pair(flags);
    for (const int fd : {from.second.get(), to.first.get(), to.second.get()}) make_room(fd);
    zc::context context;
    support::write_all(from.second.get(), support::bytes_at(0, 1000));
    const zc::transfer few =
        context.run(zc::try_splice(from.first.get(), to.first.get(), {.nbytes = 1000}));
    CHECK(few.moved == 1000);
    CHECK(few.route == zc::route::copy);
    CHECK(context.counters().copy.bytes == 1000);
    CHECK(context.counters().ring.count == 0);

    support::write_all(from.second.get(), support::bytes_at(1000, 100'000));
    const zc::transfer many =
        context.run(zc::try_splice(from.first.get(), to.first.get(), {.nbytes = 100'000}));
    CHECK(many.moved == 100'000);
    CHECK(many.route == (flags == 0 ? zc::route::ring : zc::route::direct));
    CHECK(context.counters().pipe_fills > 0);
    const std::string got = support::read_some(to.second.get(), 101'000);
    CHECK(got.size() == 101'000);
    CHECK(support::are_bytes_at(got, 0));
  }
}

TEST_CASE("route: a transfer that has been splicing copies again when only little comes") {
  const support::ends from = support::unix_pair(SOCK_NONBLOCK);
  const support::ends to = support::unix_pair(SOCK_NONBLOCK);
  for (const int fd : {from.second.get(), to.first.get()}) make_room(fd);
  zc::context context;
  const auto dribble = [&]() -> zc::task<> {
    support::write_all(from.second.get(), support::bytes_at(0, 100'000));
    std::string got;
    while (got.size() < 100'000) {
      co_await zc::sleep_for(std::chrono::milliseconds(1));
      got += support::read_some(to.second.get(), 100'000 - got.size());
    }
    for (std::size_t at = 100'000; at < 100'100; at += 10) {
      support::write_all(from.second.get(), support::bytes_at(at, 10));
      (co_await zc::op::poll(to.second.get(), POLLIN)).value();
      got += support::read_some(to.second.get(), 10);
    }
    CHECK(support::are_bytes_at(got, 0));
    ::shutdown(from.second.get(), SHUT_WR);
  };
  zc::task<zc::transfer> all = zc::try_splice(from.first.get(), to.first.get());
  const auto both = context.run(zc::when_all(std::move(all), dribble()));
  const zc::transfer& done = std::get<0>(both);
  CHECK(done.moved == 100'100);
  CHECK(done.route == zc::route::copy);
  CHECK(context.counters().pipe_fills > 0);
  CHECK(context.counters().copy.count >= 9);
}

TEST_CASE("route: the counters say how often a move would have blocked") {
  const support::ends pipe = support::make_pipe(O_NONBLOCK);
  const zc::fd null = support::open_file("/dev/null", O_WRONLY);
  zc::context context;
  const zc::transfer done = context.run(
      zc::timeout(std::chrono::milliseconds(10), zc::try_splice(pipe.first.get(), null.get())));
  CHECK(done.reason == zc::stop_reason::timed_out);
  CHECK(context.counters().would_block > 0);
  CHECK(context.counters().direct.count == 0);
}

TEST_CASE("route: the counters say why bytes were copied") {
  const zc::fd append = support::open_file("/dev/null", O_WRONLY | O_APPEND);
  const zc::fd in = support::file_of(large);
  CHECK(transfer_and_count(in.get(), append.get()).counted.cannot_splice == 1);

  const support::ends pair = support::unix_pair();
  support::reader peer(pair.second.get());
  zc::context context({.pipes = 0});
  CHECK(context.run(zc::try_splice(in.get(), pair.first.get())).moved == large);
  ::shutdown(pair.first.get(), SHUT_WR);
  CHECK(support::are_bytes_at(peer.bytes(), 0));
  CHECK(context.counters().without_pipe > 0);
}

TEST_SUITE_END();
