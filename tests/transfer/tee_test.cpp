// One source, many targets: each of them a transfer with exact counts of its own.

#include "zc/tee.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <list>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/loop.hpp"
#include "support/process.hpp"
#include "support/scripted_kernel.hpp"
#include "support/transfers.hpp"
#include "transfer/transfer_service.hpp"
#include "zc/op/recv.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"
#include "zc/with_stop.hpp"

using namespace std::chrono_literals;

TEST_SUITE_BEGIN("kernel");

namespace {

enum class kind { file, appended, pipe, unix_socket, tcp, blocking_tcp };
constexpr std::array<kind, 6> kinds{kind::file,        kind::appended, kind::pipe,
                                    kind::unix_socket, kind::tcp,      kind::blocking_tcp};

/// A target of some kind, and what arrives there.
class target {
 public:
  explicit target(kind is) {
    switch (is) {
      case kind::file:
        out_ = support::empty_file();
        return;
      case kind::appended:
        file_ = std::make_unique<support::temporary_directory>();
        out_ = support::open_file(file_->path() / "out", O_RDWR | O_CREAT | O_APPEND);
        return;
      case kind::pipe: {
        support::ends made = support::make_pipe();
        peer_ = std::move(made.first);
        out_ = std::move(made.second);
        break;
      }
      default: {
        const int flags = is == kind::blocking_tcp ? 0 : SOCK_NONBLOCK;
        support::ends made =
            is == kind::unix_socket ? support::unix_pair(flags) : support::tcp_pair(flags);
        out_ = std::move(made.first);
        peer_ = std::move(made.second);
        support::set_nonblocking(peer_.get(), false);
      }
    }
    reader_ = std::make_unique<support::reader>(peer_.get());
  }

  int fd() const { return out_.get(); }

  /// Everything that has arrived; its end too.
  std::string bytes() {
    if (!reader_) return support::contents(out_.get());
    out_ = zc::fd();
    return reader_->bytes();
  }

 private:
  std::unique_ptr<support::temporary_directory> file_;
  zc::fd out_;
  zc::fd peer_;
  std::unique_ptr<support::reader> reader_;
};

std::string text_of(const zc::remainder& bytes) {
  return {reinterpret_cast<const char*>(bytes.bytes().data()), bytes.size()};
}

/// A source of some kind, fed by a thread of its own; never appended.
class source {
 public:
  source(kind is, const std::string& bytes) {
    if (is == kind::file) {
      in_ = support::empty_file();
      support::write_all(in_.get(), bytes);
      return;
    }
    support::ends made = is == kind::pipe          ? support::make_pipe()
                         : is == kind::unix_socket ? support::unix_pair(SOCK_NONBLOCK)
                                                   : support::tcp_pair(SOCK_NONBLOCK);
    in_ = std::move(made.first);
    if (is == kind::blocking_tcp) support::set_nonblocking(in_.get(), false);
    feed_ = std::move(made.second);
    support::set_nonblocking(feed_.get(), false);
    feeder_ = std::thread([this, bytes] {
      support::write_all(feed_.get(), bytes);
      feed_ = zc::fd();
    });
  }
  source(const source&) = delete;
  source& operator=(const source&) = delete;
  ~source() {
    if (feeder_.joinable()) feeder_.join();
  }

  int fd() const { return in_.get(); }

 private:
  zc::fd in_;
  zc::fd feed_;
  std::thread feeder_;
};

/// Keeps a connection's buffers from growing, so that it is soon full.
void make_small(const support::ends& connection) {
  const int bytes = 100'000;
  for (const int each : {connection.first.get(), connection.second.get()}) {
    ::setsockopt(each, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    ::setsockopt(each, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }
}

std::vector<zc::transfer> tee_all(int in, std::vector<int> outs, zc::tee_options options = {},
                                  zc::context_options where = {}) {
  return zc::run(zc::tee(in, std::move(outs), options), where);
}

}  // namespace

TEST_CASE("tee: every target gets every byte, whatever it is and whatever they come from") {
  for (const unsigned pipes : {64u, 1u}) {  // one is too few: it copies
    for (const kind from : kinds) {
      if (from == kind::appended) continue;
      for (const std::size_t size : {0u, 1u, 4097u, 700'001u}) {
        CAPTURE(pipes);
        CAPTURE(static_cast<int>(from));
        CAPTURE(size);
        const std::string bytes = support::bytes_at(0, size);
        const source in(from, bytes);
        std::list<target> targets;
        std::vector<int> outs;
        for (const kind to : kinds) outs.push_back(targets.emplace_back(to).fd());
        const std::vector<zc::transfer> copies = tee_all(in.fd(), outs, {}, {.pipes = pipes});
        REQUIRE(copies.size() == kinds.size());
        for (const zc::transfer& done : copies) {
          CHECK(done.moved == size);
          CHECK(done.taken == size);
          CHECK(done.remainder.empty());
          CHECK(done.reason ==
                (from == kind::file ? zc::stop_reason::complete : zc::stop_reason::end_of_file));
          CHECK_FALSE(done.error);
        }
        for (target& to : targets) CHECK(to.bytes() == bytes);
      }
    }
  }
}

TEST_CASE("tee: any number of targets") {
  for (const std::size_t count : {0u, 1u, 2u, 8u, 100u}) {
    CAPTURE(count);
    const zc::fd in = support::file_of(300'000);
    std::vector<zc::fd> files;
    std::vector<int> outs;
    for (std::size_t i = 0; i < count; ++i) {
      outs.push_back(files.emplace_back(support::empty_file()).get());
    }
    const std::vector<zc::transfer> copies = tee_all(in.get(), outs);
    REQUIRE(copies.size() == count);
    for (const zc::transfer& done : copies) CHECK(done.moved == 300'000);
    for (const zc::fd& file : files) {
      const std::string got = support::contents(file.get());
      CHECK(got.size() == 300'000);
      CHECK(support::are_bytes_at(got, 0));
    }
    // Files have their own position, and are left as they were.
    CHECK(::lseek(in.get(), 0, SEEK_CUR) == 0);
  }
}

TEST_CASE("tee: targets are given as a vector, an array, a span or in braces") {
  const zc::fd in = support::file_of(10);
  const zc::fd a = support::empty_file();
  const zc::fd b = support::empty_file();
  std::vector<int> kept{a.get(), b.get()};
  const std::array<int, 2> array{a.get(), b.get()};
  const auto all = [&]() -> zc::task<std::size_t> {
    std::size_t sum = 0;
    sum += (co_await zc::tee(in.get(), kept)).size();
    sum += (co_await zc::tee(in.get(), array)).size();
    sum += (co_await zc::tee(in.get(), std::span(kept).first(1))).size();
    sum += (co_await zc::tee(in.get(), std::move(kept), {.nbytes = 5})).size();
    zc::task<std::vector<zc::transfer>> braces = zc::tee(in.get(), {a.get(), b.get()});
    sum += (co_await std::move(braces)).size();
    co_return sum;
  };
  CHECK(zc::run(all()) == 9);
}

TEST_CASE("tee: a range goes where it is asked to, and positions move only when asked") {
  const zc::fd in = support::file_of(200'000);
  const zc::fd a = support::file_of(300'000, 1);
  const zc::fd b = support::file_of(300'000, 1);
  std::vector<zc::transfer> copies =
      tee_all(in.get(), {a.get(), b.get()}, {.offset = 1000, .nbytes = 150'000, .out_offset = 77});
  for (const zc::transfer& done : copies) CHECK(done.moved == 150'000);
  for (const int out : {a.get(), b.get()}) {
    const std::string got = support::contents(out);
    CHECK(got.size() == 300'000);
    CHECK(support::are_bytes_at(got.substr(0, 77), 0, 1));
    CHECK(support::are_bytes_at(got.substr(77, 150'000), 1000));
    CHECK(support::are_bytes_at(got.substr(150'077), 150'077, 1));
    CHECK(::lseek(out, 0, SEEK_CUR) == 0);
  }
  for (const unsigned pipes : {64u, 0u}) {
    ::lseek(in.get(), 50, SEEK_SET);
    ::lseek(a.get(), 20, SEEK_SET);
    ::lseek(b.get(), 30, SEEK_SET);
    copies =
        tee_all(in.get(), {a.get(), b.get()},
                {.offset = zc::file_position, .nbytes = 100'000, .out_offset = zc::file_position},
                {.pipes = pipes});
    for (const zc::transfer& done : copies) CHECK(done.moved == 100'000);
    CHECK(::lseek(in.get(), 0, SEEK_CUR) == 100'050);
    CHECK(::lseek(a.get(), 0, SEEK_CUR) == 100'020);
    CHECK(::lseek(b.get(), 0, SEEK_CUR) == 100'030);
    CHECK(support::are_bytes_at(support::contents(a.get()).substr(20, 100'000), 50));
    CHECK(support::are_bytes_at(support::contents(b.get()).substr(30, 100'000), 50));
  }
}

TEST_CASE("tee: a target that cannot work fails by itself, and the others get everything") {
  const zc::fd in = support::file_of(100'000);
  const support::temporary_directory directory;
  const zc::fd folder = support::open_file(directory.path(), O_RDONLY | O_DIRECTORY);
  const zc::fd full = support::open_file("/dev/full", O_WRONLY);
  const zc::fd good = support::empty_file();
  const zc::fd good_too = support::empty_file();
  const support::ends stream = support::unix_pair(SOCK_NONBLOCK);
  const zc::fd same_stream(::fcntl(stream.first.get(), F_DUPFD_CLOEXEC, 0));
  support::set_nonblocking(stream.second.get(), false);
  support::reader arrives(stream.second.get());
  const std::vector<zc::transfer> copies =
      tee_all(in.get(), {good.get(), 9999, folder.get(), in.get(), full.get(), stream.first.get(),
                         same_stream.get(), good_too.get(), good.get()});
  ::shutdown(stream.first.get(), SHUT_WR);
  REQUIRE(copies.size() == 9);
  CHECK(arrives.bytes().size() == 100'000);
  CHECK(support::are_bytes_at(arrives.bytes(), 0));
  for (const std::size_t each : {0u, 5u, 7u}) CHECK(copies[each].moved == 100'000);
  CHECK(copies[1].error == std::errc::bad_file_descriptor);
  CHECK(copies[2].error == std::errc::is_a_directory);
  CHECK(copies[6].error == std::errc::invalid_argument);
  CHECK(copies[8].error == std::errc::invalid_argument);
  for (const std::size_t each : {1u, 2u, 6u, 8u}) {
    CHECK(copies[each].reason == zc::stop_reason::failed);
    CHECK(copies[each].side == zc::side::out);
    CHECK(copies[each].taken == 0);
  }
  // The source itself: it would be read where it is written.
  CHECK(copies[3].error == std::errc::invalid_argument);
  CHECK(copies[3].side == zc::side::none);
  CHECK(copies[3].taken == 0);
  CHECK(copies[4].error == std::errc::no_space_on_device);
  CHECK(copies[4].side == zc::side::out);
  CHECK(copies[4].moved == 0);
  CHECK(support::conserved(copies[4]));
  CHECK(support::are_bytes_at(text_of(copies[4].remainder), 0));
  CHECK(support::are_bytes_at(support::contents(good.get()), 0));
  CHECK(support::contents(good_too.get()).size() == 100'000);
}

TEST_CASE("tee: an error of the source is every target's, before a byte moves") {
  const zc::fd a = support::empty_file();
  const zc::fd b = support::empty_file();
  const zc::fd file = support::file_of(1000);
  const support::ends pipe = support::make_pipe();
  struct row {
    int in;
    zc::tee_options options;
    std::errc error;
    zc::side side;
  };
  for (const row& at : {
           row{9999, {}, std::errc::bad_file_descriptor, zc::side::in},
           row{pipe.second.get(), {}, std::errc::bad_file_descriptor, zc::side::in},
           row{file.get(), {.offset = 1001}, std::errc::value_too_large, zc::side::in},
           row{file.get(), {.offset = 10, .nbytes = 991}, std::errc::value_too_large, zc::side::in},
           row{file.get(), {.offset = -2}, std::errc::invalid_argument, zc::side::in},
           row{pipe.first.get(), {.offset = 1}, std::errc::invalid_seek, zc::side::in},
           row{file.get(),
               {.flags = static_cast<zc::splice_flags>(1 << 20)},
               std::errc::invalid_argument,
               zc::side::none},
           row{file.get(), {.out_offset = -2}, std::errc::invalid_argument, zc::side::out},
           row{file.get(),
               {.out_offset = std::numeric_limits<std::int64_t>::max()},
               std::errc::value_too_large,
               zc::side::out},
       }) {
    CAPTURE(at.in);
    CAPTURE(at.options.offset);
    CAPTURE(at.options.out_offset);
    for (const zc::transfer& done : tee_all(at.in, {a.get(), b.get()}, at.options)) {
      CHECK(done.reason == zc::stop_reason::failed);
      CHECK(done.error == at.error);
      CHECK(done.side == at.side);
      CHECK(done.taken == 0);
    }
    CHECK(support::contents(a.get()).empty());
  }
  // A pipe at both ends is about that target only.
  support::write_all(pipe.second.get(), "12345");
  const zc::fd c = support::empty_file();
  const std::vector<zc::transfer> copies =
      tee_all(pipe.first.get(), {pipe.second.get(), a.get(), c.get()}, {.nbytes = 5});
  CHECK(copies[0].error == std::errc::invalid_argument);
  CHECK(copies[1].moved == 5);
  CHECK(copies[2].moved == 5);
}

TEST_CASE("tee: when all targets have failed no more is taken, and what was is kept") {
  for (const unsigned pipes : {64u, 0u}) {
    CAPTURE(pipes);
    const support::ends in = support::unix_pair(SOCK_NONBLOCK);
    const int large = 1 << 20;
    ::setsockopt(in.second.get(), SOL_SOCKET, SO_SNDBUFFORCE, &large, sizeof large);
    support::write_all(in.second.get(), support::bytes_at(0, 600'000));
    const zc::fd full = support::open_file("/dev/full", O_WRONLY);
    const zc::fd full_too = support::open_file("/dev/full", O_WRONLY);
    const std::vector<zc::transfer> copies =
        tee_all(in.first.get(), {full.get(), full_too.get()}, {}, {.pipes = pipes});
    for (const zc::transfer& done : copies) {
      CHECK(done.error == std::errc::no_space_on_device);
      CHECK(done.taken > 0);
      CHECK(done.taken < 600'000);
      CHECK(support::conserved(done));
      CHECK(done.taken == copies[0].taken);
      CHECK(support::are_bytes_at(text_of(done.remainder), 0));
    }
    ::shutdown(in.second.get(), SHUT_WR);
    support::set_nonblocking(in.first.get(), false);
    const std::string rest = support::read_all(in.first.get());
    CHECK(copies[0].taken + rest.size() == 600'000);
    CHECK(support::are_bytes_at(rest, copies[0].taken));
  }
}

TEST_CASE("tee: a peer that dies in mid-stream costs only itself") {
  for (const unsigned pipes : {64u, 0u}) {
    CAPTURE(pipes);
    const zc::fd in = support::file_of(3'000'000);
    support::ends dies = support::tcp_pair(SOCK_NONBLOCK);
    make_small(dies);
    target lives(kind::tcp);
    const zc::fd file = support::empty_file();
    std::string got;
    std::thread killer([&] {
      got = support::read_some(dies.second.get(), 500'000);
      support::reset_on_close(dies.second.get());
      dies.second = zc::fd();
    });
    std::vector<zc::transfer> copies =
        tee_all(in.get(), {lives.fd(), dies.first.get(), file.get()}, {}, {.pipes = pipes});
    killer.join();
    CHECK(copies[0].moved == 3'000'000);
    CHECK(copies[2].moved == 3'000'000);
    const zc::transfer& failed = copies[1];
    CHECK(failed.reason == zc::stop_reason::failed);
    const bool reset =
        failed.error == std::errc::connection_reset || failed.error == std::errc::broken_pipe;
    CHECK(reset);
    CHECK(failed.side == zc::side::out);
    CHECK(failed.moved >= got.size());
    CHECK(failed.moved < 3'000'000);
    CHECK(support::conserved(failed));
    CHECK(support::are_bytes_at(got, 0));
    CHECK(support::are_bytes_at(text_of(failed.remainder), failed.moved));
    const std::string whole = lives.bytes();
    CHECK(whole.size() == 3'000'000);
    CHECK(support::are_bytes_at(whole, 0));
    CHECK(support::are_bytes_at(support::contents(file.get()), 0));
  }
}

TEST_CASE("tee: of a stream the slowest target sets the pace") {
  constexpr std::size_t ahead_limit = 256 * 1024;
  const source in(kind::pipe, support::bytes_at(0, 2'000'000));
  const support::ends slow = support::unix_pair(SOCK_NONBLOCK);
  const zc::fd fast = support::empty_file();
  const std::vector<int> outs{slow.first.get(), fast.get()};
  const auto play = [&]() -> zc::task<std::vector<zc::transfer>> {
    auto reading = [](int peer, int other) -> zc::task<> {
      std::string got(2'000'000, '?');
      std::size_t size = 0;
      while (size < got.size()) {
        const std::size_t some = std::min<std::size_t>(got.size() - size, 100'000);
        auto read = co_await zc::op::recv(peer, &got[size], some);
        const std::size_t more = std::move(read).value_or(0);
        REQUIRE(more > 0);
        size += more;
        co_await zc::sleep_for(1ms);
        const auto written = static_cast<std::size_t>(::lseek(other, 0, SEEK_END));
        // What is in the socket's buffer has been accepted, too.
        CHECK(written <= size + 2 * ahead_limit + 256 * 1024);
      }
      CHECK(support::are_bytes_at(got, 0));
    };
    zc::scope both;
    both.spawn(reading(slow.second.get(), fast.get()));
    std::vector<zc::transfer> copies = co_await zc::tee(in.fd(), outs);
    co_await both.join();
    co_return copies;
  };
  support::set_nonblocking(slow.second.get(), false);
  for (const zc::transfer& done : zc::run(play())) CHECK(done.moved == 2'000'000);
  CHECK(support::are_bytes_at(support::contents(fast.get()), 0));
}

TEST_CASE(
    "tee: a target that nobody reads costs no CPU, and a deadline ends it with exact counts") {
  for (const unsigned pipes : {64u, 0u}) {
    CAPTURE(pipes);
    const source in(kind::pipe, support::bytes_at(0, 5'000'000));
    const support::ends stalled = support::tcp_pair(SOCK_NONBLOCK);
    make_small(stalled);
    const zc::fd file = support::empty_file();
    const std::vector<int> outs{stalled.first.get(), file.get()};
    const auto play = [&]() -> zc::task<std::vector<zc::transfer>> {
      co_return co_await zc::timeout(1s * support::slowdown(), zc::tee(in.fd(), outs));
    };
    const auto before = support::cpu_time();
    const std::vector<zc::transfer> copies = zc::run(play(), {.pipes = pipes});
    // One that spins takes the whole time.
    CHECK(support::cpu_time() - before < 200ms * support::slowdown());
    for (const zc::transfer& done : copies) {
      CHECK(done.reason == zc::stop_reason::timed_out);
      CHECK(support::conserved(done));
      CHECK(done.taken == copies[0].taken);
      CHECK(support::are_bytes_at(text_of(done.remainder), done.moved));
    }
    CHECK_FALSE(copies[0].remainder.empty());
    CHECK(support::contents(file.get()).size() == copies[1].moved);
    CHECK(support::are_bytes_at(support::contents(file.get()), 0));
    const std::string got = support::read_some(stalled.second.get(), copies[0].moved);
    CHECK(got.size() == copies[0].moved);
    CHECK(support::are_bytes_at(got, 0));
    // What is left in the source, so that its feeder ends.
    CHECK(support::read_all(in.fd()).size() == 5'000'000 - copies[0].taken);
  }
}

TEST_CASE("tee: of a file no target waits for another") {
  const zc::fd in = support::file_of(5'000'000);
  const support::ends stalled = support::tcp_pair(SOCK_NONBLOCK);
  make_small(stalled);
  const zc::fd file = support::empty_file();
  const std::vector<int> outs{stalled.first.get(), file.get()};
  for (const std::int64_t offset : {std::int64_t{0}, zc::file_position}) {
    CAPTURE(offset);
    ::lseek(in.get(), 1'000'000, SEEK_SET);
    const auto play = [&]() -> zc::task<std::vector<zc::transfer>> {
      co_return co_await zc::timeout(1s, zc::tee(in.get(), outs, {.offset = offset}));
    };
    const std::vector<zc::transfer> copies = zc::run(play());
    const std::size_t size = offset == 0 ? 5'000'000 : 4'000'000;
    CHECK(copies[0].reason == zc::stop_reason::timed_out);
    CHECK(support::conserved(copies[0]));
    CHECK(copies[1].reason == zc::stop_reason::complete);
    CHECK(copies[1].moved == size);
    CHECK(support::are_bytes_at(support::contents(file.get()).substr(0, size), 5'000'000 - size));
    // The position is used and advanced only where it was asked for.
    CHECK(::lseek(in.get(), 0, SEEK_CUR) == (offset == 0 ? 1'000'000 : 5'000'000));
  }
}

TEST_CASE("tee: cancelled at any moment, nothing is lost") {
  std::minstd_rand random(20'240);
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    const unsigned pipes = round % 3 == 0 ? 0 : 64;
    const std::string bytes = support::bytes_at(0, 400'000);
    const support::ends in =
        round % 2 == 0 ? support::unix_pair(SOCK_NONBLOCK) : support::make_pipe(O_NONBLOCK);
    std::array<support::ends, 3> outs{support::tcp_pair(SOCK_NONBLOCK),
                                      support::unix_pair(SOCK_NONBLOCK),
                                      support::make_pipe(round % 4 == 0 ? 0 : O_NONBLOCK)};
    std::swap(outs[2].first, outs[2].second);  // the end to write to comes first
    std::thread feeder([&, nap = random() % 100] {
      support::set_nonblocking(in.second.get(), false);
      for (std::size_t at = 0; at < bytes.size(); at += 20'000) {
        std::this_thread::sleep_for(std::chrono::microseconds(nap));
        support::write_all(in.second.get(), std::string_view(bytes).substr(at, 20'000));
      }
      if (round % 2 == 0) ::shutdown(in.second.get(), SHUT_WR);
    });
    std::array<std::string, 3> got;
    std::array<std::thread, 3> readers;
    for (std::size_t i = 0; i < outs.size(); ++i) {
      support::set_nonblocking(outs[i].second.get(), false);
      readers[i] = std::thread([&, i, nap = random() % 200] {
        std::array<char, 30'000> some{};
        for (;;) {
          std::this_thread::sleep_for(std::chrono::microseconds(nap));
          const ssize_t size = ::read(outs[i].second.get(), some.data(), some.size());
          if (size <= 0) return;
          got[i].append(some.data(), static_cast<std::size_t>(size));
        }
      });
    }
    const auto after = std::chrono::microseconds(random() % 6000);
    const auto play = [&]() -> zc::task<std::vector<zc::transfer>> {
      std::vector<int> all;
      for (const support::ends& each : outs) all.push_back(each.first.get());
      co_return co_await zc::timeout(after, zc::tee(in.first.get(), all, {.nbytes = 400'000}));
    };
    const std::vector<zc::transfer> copies = zc::run(play(), {.pipes = pipes});
    for (support::ends& each : outs) each.first = zc::fd();
    for (std::thread& each : readers) each.join();
    // What is left in the source, so that the feeder ends.
    std::uint64_t taken = 0;
    for (const zc::transfer& done : copies) taken = std::max(taken, done.taken);
    support::set_nonblocking(in.first.get(), false);
    const std::string rest =
        support::read_some(in.first.get(), static_cast<std::size_t>(400'000 - taken));
    feeder.join();
    CHECK(taken + rest.size() == 400'000);
    CHECK(support::are_bytes_at(rest, taken));
    for (std::size_t i = 0; i < outs.size(); ++i) {
      CAPTURE(i);
      CHECK(copies[i].taken == taken);
      CHECK(support::conserved(copies[i]));
      const bool expected = copies[i].reason == zc::stop_reason::timed_out ||
                            copies[i].reason == zc::stop_reason::complete;
      CHECK(expected);
      CHECK(got[i].size() == copies[i].moved);
      CHECK(support::are_bytes_at(got[i] + text_of(copies[i].remainder), 0));
    }
  }
}

TEST_CASE("tee: cancelled before it begins it takes nothing; a stop request says cancelled") {
  const support::ends in = support::make_pipe();
  const zc::fd a = support::empty_file();
  const zc::fd b = support::empty_file();
  support::write_all(in.second.get(), "12345");
  std::stop_source stop;
  stop.request_stop();
  const std::vector<int> outs{a.get(), b.get()};
  const auto play = [&]() -> zc::task<std::vector<zc::transfer>> {
    co_return co_await zc::with_stop(stop.get_token(), zc::tee(in.first.get(), outs));
  };
  for (const zc::transfer& done : zc::run(play())) {
    CHECK(done.reason == zc::stop_reason::cancelled);
    CHECK(done.taken == 0);
  }
  CHECK(support::read_some(in.first.get(), 5) == "12345");
}

TEST_CASE("tee: what a source sends before it stalls arrives at once, and idle ones hold no pipe") {
  for (const unsigned pipes : {64u, 0u}) {
    for (const int flags : {0, int{SOCK_NONBLOCK}}) {
      CAPTURE(pipes);
      CAPTURE(flags);
      const support::ends in = support::tcp_pair(flags);
      const support::ends a = support::tcp_pair(flags);
      const support::ends b = support::tcp_pair(flags);
      const std::vector<int> outs{a.first.get(), b.first.get()};
      const auto play = [&]() -> zc::task<> {
        zc::scope moving;
        const std::size_t before = support::open_descriptors();
        const std::size_t workers = support::kernel_workers();
        moving.spawn(zc::tee(in.first.get(), outs));
        co_await zc::sleep_for(5ms);
        CHECK(support::open_descriptors() == before);
        CHECK(support::kernel_workers() <= workers);
        for (int i = 0; i < 3; ++i) {
          support::write_all(in.second.get(), "12345");
          for (const int peer : {a.second.get(), b.second.get()}) {
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
        }
        moving.cancel();
        co_await moving.join();
      };
      support::set_nonblocking(a.second.get(), false);
      support::set_nonblocking(b.second.get(), false);
      zc::run(play(), {.pipes = pipes});
    }
  }
}

TEST_CASE("tee: the last bytes of a file leave at once") {
  const zc::fd in = support::file_of(70'001);
  auto best = std::chrono::steady_clock::duration::max();
  // The fastest of a few: the machine may be busy, and a held back tail takes 200 ms every time.
  for (int i = 0; i < 8 && best >= 100ms; ++i) {
    const auto began = std::chrono::steady_clock::now();
    target a(kind::tcp);
    target b(kind::tcp);
    const std::vector<int> outs{a.fd(), b.fd()};
    tee_all(in.get(), outs);
    CHECK(a.bytes().size() == 70'001);
    CHECK(b.bytes().size() == 70'001);
    best = std::min(best, std::chrono::steady_clock::now() - began);
  }
  CHECK(best < 100ms);
}

TEST_CASE("tee: a source that ends early says so, and one that is cut off loses nothing") {
  const zc::fd in = support::file_of(3'000'000);
  const support::ends slow = support::unix_pair(SOCK_NONBLOCK);
  const zc::fd fast = support::empty_file();
  support::set_nonblocking(slow.second.get(), false);
  std::string got;
  std::thread reader([&] {
    got = support::read_some(slow.second.get(), 100'000);
    REQUIRE(::ftruncate(in.get(), 0) == 0);
    got += support::read_all(slow.second.get());
  });
  const std::vector<zc::transfer> copies = tee_all(in.get(), {slow.first.get(), fast.get()});
  ::shutdown(slow.first.get(), SHUT_WR);
  reader.join();
  CHECK(copies[0].reason == zc::stop_reason::end_of_file);
  for (const zc::transfer& done : copies) {
    CHECK(done.moved <= 3'000'000);
    CHECK(done.remainder.empty());
  }
  CHECK(copies[0].moved < 3'000'000);
  CHECK(got.size() == copies[0].moved);
  CHECK(support::contents(fast.get()).size() == copies[1].moved);
}

TEST_CASE("tee: sources that cannot be spliced are read once, for all") {
  const zc::fd a = support::empty_file();
  const zc::fd b = support::empty_file();
  const zc::fd status = support::open_file("/proc/self/limits", O_RDONLY);
  const std::string expected = support::contents(status.get());
  for (const zc::transfer& done : tee_all(status.get(), {a.get(), b.get()})) {
    CHECK(done.moved == expected.size());
    CHECK(done.reason == zc::stop_reason::end_of_file);
    CHECK(done.route == zc::route::copy);
  }
  CHECK(support::contents(a.get()) == expected);
  CHECK(support::contents(b.get()) == expected);

  // O_DIRECT: in whole blocks, but for the end.
  const support::temporary_directory directory;
  const support::temporary_directory here;
  const zc::fd disk = support::open_file(here.path() / "in", O_RDWR | O_CREAT);
  support::write_all(disk.get(), support::bytes_at(0, 300'001));
  const zc::fd direct(::open((here.path() / "in").c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT));
  if (direct) {
    for (const zc::transfer& done : tee_all(direct.get(), {a.get(), b.get()})) {
      CHECK(done.moved == 300'001);
      CHECK(done.reason == zc::stop_reason::complete);
    }
    CHECK(support::are_bytes_at(support::contents(a.get()), 0));
    CHECK(support::are_bytes_at(support::contents(b.get()), 0));
  }
}

TEST_CASE("tee: datagrams keep their boundaries from socket to socket, however many the targets") {
  const auto pair = [](int type) {
    std::array<int, 2> raw{};
    REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, raw.data()) == 0);
    return support::ends{zc::fd(raw[0]), zc::fd(raw[1])};
  };
  const support::ends in = pair(SOCK_DGRAM);
  const support::ends a = pair(SOCK_SEQPACKET);
  const support::ends b = pair(SOCK_DGRAM);
  const std::array<std::size_t, 4> sizes{1, 20'000, 0, 3};
  for (const std::size_t size : sizes) {
    const std::string message = support::bytes_at(size, size);
    REQUIRE(::send(in.second.get(), message.data(), size, 0) == static_cast<ssize_t>(size));
  }
  const std::vector<zc::transfer> copies =
      tee_all(in.first.get(), {a.first.get(), b.first.get()}, {.nbytes = 20'004});
  for (const zc::transfer& done : copies) CHECK(done.moved == 20'004);
  for (const int peer : {a.second.get(), b.second.get()}) {
    std::string got(70'000, '?');
    for (const std::size_t size : {1u, 20'000u, 3u}) {
      const ssize_t some = ::recv(peer, got.data(), got.size(), 0);
      REQUIRE(some == static_cast<ssize_t>(size));
      CHECK(support::are_bytes_at(got.substr(0, size), size));
    }
  }
  // One that is longer than what is asked for stays.
  REQUIRE(::send(in.second.get(), "12345", 5, 0) == 5);
  for (const zc::transfer& done :
       tee_all(in.first.get(), {a.first.get(), b.first.get()}, {.nbytes = 4})) {
    CHECK(done.error == std::errc::message_size);
    CHECK(done.side == zc::side::in);
    CHECK(done.taken == 0);
  }
  CHECK(support::read_some(in.first.get(), 5) == "12345");
}

TEST_CASE("tee: a TCP urgent byte does not stop it") {
  const support::ends in = support::tcp_pair(SOCK_NONBLOCK);
  const zc::fd a = support::empty_file();
  const zc::fd b = support::empty_file();
  REQUIRE(::send(in.second.get(), "before", 6, 0) == 6);
  REQUIRE(::send(in.second.get(), "!", 1, MSG_OOB) == 1);
  REQUIRE(::send(in.second.get(), "after", 5, 0) == 5);
  ::shutdown(in.second.get(), SHUT_WR);
  for (const zc::transfer& done : tee_all(in.first.get(), {a.get(), b.get()})) {
    CHECK(done.moved == 11);
    CHECK(done.reason == zc::stop_reason::end_of_file);
  }
  CHECK(support::contents(a.get()) == "beforeafter");
  CHECK(support::contents(b.get()) == "beforeafter");
}

TEST_CASE(
    "tee: nonblock moves what can move now, and takes nothing that a target has no room for") {
  const support::ends in = support::make_pipe();
  const support::ends a = support::make_pipe();
  const support::ends full = support::unix_pair(SOCK_NONBLOCK);
  const zc::fd file = support::empty_file();
  const zc::tee_options now{.flags = zc::splice_flags::nonblock};
  for (const zc::transfer& done : tee_all(in.first.get(), {a.second.get(), file.get()}, now)) {
    CHECK(done.reason == zc::stop_reason::would_block);
    CHECK(done.taken == 0);
  }
  support::write_all(in.second.get(), "12345");
  for (const zc::transfer& done : tee_all(in.first.get(), {a.second.get(), file.get()}, now)) {
    CHECK(done.reason == zc::stop_reason::would_block);
    CHECK(done.moved == 5);
  }
  while (::send(full.first.get(), "x", 1, 0) == 1) {
  }
  support::write_all(in.second.get(), "67890");
  for (const zc::transfer& done :
       tee_all(in.first.get(), {a.second.get(), full.first.get(), file.get()}, now)) {
    CHECK(done.reason == zc::stop_reason::would_block);
    CHECK(done.taken == 0);
  }
  CHECK(support::read_some(in.first.get(), 5) == "67890");
  // A file larger than the room there is: as much as fits, and nothing in between.
  const zc::fd large = support::file_of(400'000);
  const std::vector<zc::transfer> copies = tee_all(large.get(), {a.second.get(), file.get()}, now);
  for (const zc::transfer& done : copies) CHECK(done.remainder.empty());
  CHECK(copies[0].reason == zc::stop_reason::would_block);
  CHECK(copies[0].moved > 0);
  CHECK(copies[0].moved < 400'000);
  CHECK(copies[1].moved == 400'000);
}

TEST_CASE("tee: progress is what every target has accepted") {
  const zc::fd in = support::file_of(500'000);
  const zc::fd full = support::open_file("/dev/full", O_WRONLY);
  const zc::fd a = support::empty_file();
  const zc::fd b = support::empty_file();
  zc::progress seen;
  seen.moved = 77;
  tee_all(in.get(), {full.get(), a.get(), b.get()}, {.nbytes = 400'000, .progress = &seen});
  CHECK(seen.moved == 400'000);
  CHECK(seen.total == 400'000);
  tee_all(9999, {a.get(), b.get()}, {.progress = &seen});
  CHECK(seen.moved == 0);
  CHECK(seen.total == 0);
}

TEST_CASE("tee: progress is no more than what one that was stopped has accepted") {
  const zc::fd in = support::file_of(100'000);
  const zc::fd file = support::empty_file();
  const support::ends full = support::make_pipe();  // nobody reads from it
  const std::vector<int> outs{file.get(), full.second.get()};
  zc::progress seen;
  for (const bool at_once : {false, true}) {
    CAPTURE(at_once);
    const zc::splice_flags flags = at_once ? zc::splice_flags::nonblock : zc::splice_flags::none;
    zc::task<std::vector<zc::transfer>> work =
        zc::tee(in.get(), outs, {.flags = flags, .progress = &seen});
    const std::vector<zc::transfer> copies = zc::run(zc::timeout(20ms, std::move(work)));
    CHECK(copies[1].reason ==
          (at_once ? zc::stop_reason::would_block : zc::stop_reason::timed_out));
    CHECK(copies[0].moved == copies[0].taken);
    CHECK(seen.moved == copies[1].moved);
  }
}

TEST_CASE("tee: a huge one leaves the loop to others") {
  const zc::fd in = support::file_of(16'000'000);
  std::array<zc::fd, 4> outs;
  for (zc::fd& each : outs) each = support::open_file("/dev/null", O_WRONLY);
  const support::ends feed = support::make_pipe();
  const auto play = [&]() -> zc::task<int> {
    int turns = 0;
    zc::scope beside;
    auto counting = [](int& count) -> zc::task<> {
      for (;;) {
        co_await zc::yield();
        ++count;
      }
    };
    beside.spawn(counting(turns));
    std::vector<int> all;
    for (const zc::fd& each : outs) all.push_back(each.get());
    const std::vector<zc::transfer> copies = co_await zc::tee(in.get(), all);
    for (const zc::transfer& done : copies) CHECK(done.moved == 16'000'000);
    beside.cancel();
    co_await beside.join();
    co_return turns;
  };
  // No turn moves more than 2 MiB; the first and the last are not counted.
  CHECK(zc::run(play()) >= 4 * 16'000'000 / (2 << 20) - 2);
}

TEST_CASE("tee: after one that failed, pipes and memory hold no foreign byte") {
  const zc::fd in = support::file_of(600'000);
  const zc::fd other = support::file_of(600'000, 1);
  const support::ends stalled = support::unix_pair(SOCK_NONBLOCK);
  const zc::fd full = support::open_file("/dev/full", O_WRONLY);
  const auto both = [](int one, int another) { return std::vector<int>{one, another}; };
  const auto play = [&]() -> zc::task<> {
    for (int i = 0; i < 3; ++i) {
      std::vector<int> outs = both(stalled.first.get(), full.get());
      const std::vector<zc::transfer> cut =
          co_await zc::timeout(5ms, zc::tee(in.get(), std::move(outs)));
      CHECK(cut[0].reason == zc::stop_reason::timed_out);
      CHECK(support::conserved(cut[0]));
      CHECK(support::conserved(cut[1]));
      const zc::fd a = support::empty_file();
      const zc::fd b = support::empty_file();
      outs = both(a.get(), b.get());
      co_await zc::tee(other.get(), std::move(outs));
      for (const int file : {a.get(), b.get()}) {
        const std::string got = support::contents(file);
        CHECK(got.size() == 600'000);
        CHECK(support::are_bytes_at(got, 0, 1));
      }
    }
  };
  zc::run(play());
}

TEST_CASE("tee: whatever the kernel answers at whatever step, nothing is lost") {
  using support::fault;
  const std::array<fault, 9> faults{{{fault::kind::short_count},
                                     {fault::kind::error, EINTR},
                                     {fault::kind::error, EAGAIN},
                                     {fault::kind::error, EINVAL},
                                     {fault::kind::error, ENOMEM},
                                     {fault::kind::error, EIO},
                                     {fault::kind::error, 512},
                                     {fault::kind::delayed},
                                     {fault::kind::reordered}}};
  for (const kind from : {kind::file, kind::unix_socket}) {
    for (fault each : faults) {
      for (each.at = 0; each.at < 40; ++each.at) {
        INFO(each.describe());
        CAPTURE(static_cast<int>(from));
        const std::string bytes = support::bytes_at(0, 90'000);
        const source in(from, bytes);
        std::list<target> targets;
        std::vector<int> outs;
        for (const kind to : {kind::file, kind::unix_socket, kind::appended}) {
          outs.push_back(targets.emplace_back(to).fd());
        }
        std::vector<zc::transfer> copies;
        bool met = false;
        {
          zc::context here;
          support::scripted_kernel kernel(each);
          kernel.stand_before(here);
          copies = here.run(zc::tee(in.fd(), outs));
          met = kernel.met();
        }
        if (from != kind::file) {
          // Lets the feeder end.
          std::array<char, 4096> rest{};
          ::fcntl(in.fd(), F_SETFL, 0);
          while (::read(in.fd(), rest.data(), rest.size()) > 0) {
          }
        }
        auto to = targets.begin();
        for (const zc::transfer& done : copies) {
          CAPTURE(done.reason);
          CAPTURE(done.side);
          CAPTURE(done.error.message());
          const std::string got = (to++)->bytes();
          CHECK(got.size() == done.moved);
          const std::string kept = got + text_of(done.remainder);
          CHECK(support::are_bytes_at(kept, 0));
          if (done.side != zc::side::zc) CHECK(support::conserved(done));
          if (done.reason != zc::stop_reason::failed) CHECK(done.moved == 90'000);
        }
        if (!met) break;
      }
    }
  }
}

TEST_CASE("tee: where tee(2) duplicates nothing or a part, the rest goes by memory") {
  using support::fault;
  for (const fault& each :
       {fault{.what = fault::kind::error,
       .error = ENOSYS,
       .times = fault::ever_after,
       .opcode = IORING_OP_TEE},
        fault{
            .what = fault::kind::short_count, .times = fault::ever_after, .opcode = IORING_OP_TEE},
        fault{.what = fault::kind::error, .error = EINTR, .times = 5, .opcode = IORING_OP_TEE}}) {
    INFO(each.describe());
    const source in(kind::pipe, support::bytes_at(0, 600'000));
    // Two: then a pipe that was given back with a byte in it is the next to be filled.
    std::array<zc::fd, 2> files;
    std::vector<int> outs;
    for (zc::fd& file : files) {
      file = support::empty_file();
      outs.push_back(file.get());
    }
    zc::context here;
    support::scripted_kernel kernel(each);
    kernel.stand_before(here);
    for (const zc::transfer& done : here.run(zc::tee(in.fd(), outs))) CHECK(done.moved == 600'000);
    CHECK(kernel.met());
    for (const zc::fd& file : files) {
      const std::string got = support::contents(file.get());
      CHECK(got.size() == 600'000);
      CHECK(support::are_bytes_at(got, 0));
    }
  }
}

TEST_CASE("tee: pages are shared, whatever the sizes of the pipes") {
  zc::context here;
  zc::detail::pipe_pool& pool = zc::detail::transfer_service::of(zc::detail::loop::of(here)).pipes;
  std::vector<zc::detail::pipe> lent;
  for (const int bytes : {65'536, 4096, 262'144, 16'384}) {
    zc::detail::pipe one = *pool.take();
    one.capacity_bytes =
        static_cast<std::size_t>(::fcntl(one.write_end.get(), F_SETPIPE_SZ, bytes));
    lent.push_back(std::move(one));
  }
  for (zc::detail::pipe& one : lent) pool.give_back(std::move(one), true);
  const zc::fd in = support::file_of(600'000);
  std::list<target> targets;
  std::vector<int> outs;
  for (int i = 0; i < 4; ++i) outs.push_back(targets.emplace_back(kind::tcp).fd());
  for (const zc::transfer& done : here.run(zc::tee(in.get(), outs))) {
    CHECK(done.moved == 600'000);
    CHECK(done.route == zc::route::direct);
  }
  for (target& to : targets) CHECK(support::are_bytes_at(to.bytes(), 0));
  CHECK(pool.lent() == 0);
  CHECK(pool.idle() == 4);
}

TEST_SUITE_END();
