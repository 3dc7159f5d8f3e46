#include "zc/splice.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <limits>

#include "support/transfers.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"

using namespace std::chrono_literals;
using support::transfer;

TEST_SUITE_BEGIN("kernel");

TEST_CASE("splice: moves a whole file, or the range that is asked for") {
  struct row {
    std::int64_t offset;
    std::uint64_t nbytes;
    std::uint64_t moved;
  };
  for (const zc::route route : support::routes) {
    for (const row& at : {row{0, zc::to_end, 50}, row{10, zc::to_end, 40}, row{0, 20, 20},
                          row{10, 20, 20}, row{50, zc::to_end, 0}, row{49, 1, 1}, row{0, 0, 0}}) {
      CAPTURE(route);
      CAPTURE(at.offset);
      CAPTURE(at.nbytes);
      const zc::fd in = support::file_of(50);
      const zc::fd out = support::empty_file();
      const std::uint64_t moved = zc::run(zc::splice(
          in.get(), out.get(), {.offset = at.offset, .nbytes = at.nbytes, .route = route}));
      CHECK(moved == at.moved);
      const std::string got = support::contents(out.get());
      CHECK(got.size() == at.moved);
      CHECK(support::are_bytes_at(got, static_cast<std::uint64_t>(at.offset)));
    }
  }
}

TEST_CASE("splice: a tiny file and an empty one arrive whole") {
  for (const zc::route route : support::routes) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{7}}) {
      CAPTURE(route);
      CAPTURE(size);
      const zc::fd in = support::file_of(size);
      const support::ends pair = support::unix_pair(SOCK_NONBLOCK);
      const zc::transfer done = transfer(in.get(), pair.first.get(), {.route = route});
      CHECK(done.moved == size);
      CHECK(done.taken == size);
      CHECK(done.reason == zc::stop_reason::complete);
      ::shutdown(pair.first.get(), SHUT_WR);
      support::set_nonblocking(pair.second.get(), false);
      CHECK(support::read_all(pair.second.get()) == support::bytes_at(0, size));
    }
  }
}

TEST_CASE("splice: every flag, and all of them together, moves the same bytes") {
  using zc::splice_flags;
  const splice_flags all =
      splice_flags::move | splice_flags::nonblock | splice_flags::more | splice_flags::gift;
  for (const zc::route route : support::routes) {
    for (const splice_flags flags : {splice_flags::none, splice_flags::move, splice_flags::nonblock,
                                     splice_flags::more, splice_flags::gift, all}) {
      CAPTURE(route);
      CAPTURE(static_cast<unsigned>(flags));
      const zc::fd in = support::file_of(5000);
      const support::ends pair = support::tcp_pair(SOCK_NONBLOCK);
      const zc::transfer done =
          transfer(in.get(), pair.first.get(), {.flags = flags, .route = route});
      CHECK(done.moved == 5000);
      CHECK(done.reason == zc::stop_reason::complete);
      ::shutdown(pair.first.get(), SHUT_WR);
      support::set_nonblocking(pair.second.get(), false);
      CHECK(support::read_all(pair.second.get()) == support::bytes_at(0, 5000));
    }
  }
}

TEST_CASE("splice: refuses bad input before a byte moves, and says which end it was") {
  const zc::fd file = support::file_of(50);
  const zc::fd out = support::empty_file();
  const support::ends pipe = support::make_pipe();
  support::write_all(pipe.second.get(), "untouched");
  const zc::fd directory = support::open_file("/", O_RDONLY | O_DIRECTORY);
  const zc::fd path_only = support::open_file("/dev/null", O_PATH);
  const zc::fd append = support::open_file("/dev/null", O_WRONLY | O_APPEND);
  const zc::fd null = support::open_file("/dev/null", O_WRONLY);
  const support::ends blocking = support::unix_pair();
  std::uint16_t port = 0;
  const zc::fd listener = support::tcp_listener(port);
  constexpr int closed = 9999;  // higher than any the process opens
  constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();

  struct row {
    const char* what;
    int in;
    int out;
    zc::splice_options options;
    int error;
    zc::side side;
  };
  const zc::side in = zc::side::in;
  const row rows[] = {
      {"closed in", closed, out.get(), {}, EBADF, in},
      {"closed out", file.get(), closed, {}, EBADF, zc::side::out},
      {"no descriptor", -1, out.get(), {}, EBADF, in},
      {"write-only in", null.get(), out.get(), {}, EBADF, in},
      {"write end as in", pipe.second.get(), out.get(), {}, EBADF, in},
      {"read end as out", file.get(), pipe.first.get(), {}, EBADF, zc::side::out},
      {"path-only in", path_only.get(), out.get(), {}, EBADF, in},
      {"directory in", directory.get(), out.get(), {}, EISDIR, in},
      {"directory out", file.get(), directory.get(), {}, EISDIR, zc::side::out},
      {"listening in", listener.get(), out.get(), {}, ENOTCONN, in},
      {"offset past the end", file.get(), out.get(), {.offset = 51}, EOVERFLOW, in},
      {"huge offset", file.get(), out.get(), {.offset = largest}, EOVERFLOW, in},
      {"length past the end", file.get(), out.get(), {.nbytes = 51}, EOVERFLOW, in},
      {"range past the end", file.get(), out.get(), {.offset = 40, .nbytes = 11}, EOVERFLOW, in},
      {"huge length", file.get(), out.get(), {.nbytes = zc::to_end - 1}, EOVERFLOW, in},
      {"negative offset", file.get(), out.get(), {.offset = -2}, EINVAL, in},
      {"offset on a pipe", pipe.first.get(), out.get(), {.offset = 1}, ESPIPE, in},
      {"offset on a socket", blocking.first.get(), out.get(), {.offset = 1}, ESPIPE, in},
      {"out offset on a pipe",
       file.get(),
       pipe.second.get(),
       {.out_offset = 1},
       ESPIPE,
       zc::side::out},
      {"negative out offset", file.get(), out.get(), {.out_offset = -2}, EINVAL, zc::side::out},
      {"out range too far",
       file.get(),
       out.get(),
       {.out_offset = largest},
       EOVERFLOW,
       zc::side::out},
      {"out offset of O_APPEND",
       file.get(),
       append.get(),
       {.out_offset = 5},
       EINVAL,
       zc::side::out},
      {"same pipe", pipe.first.get(), pipe.second.get(), {}, EINVAL, zc::side::none},
      {"unknown flag",
       file.get(),
       out.get(),
       {.flags = static_cast<zc::splice_flags>(64)},
       EINVAL,
       zc::side::none},
      {"direct to a blocking socket",
       file.get(),
       blocking.first.get(),
       {.route = zc::route::direct},
       EINVAL,
       zc::side::out},
      {"direct from a blocking socket",
       blocking.first.get(),
       out.get(),
       {.route = zc::route::direct},
       EINVAL,
       in},
      {"direct to O_APPEND",
       file.get(),
       append.get(),
       {.route = zc::route::direct},
       EINVAL,
       zc::side::out},
      {"ring to O_APPEND",
       file.get(),
       append.get(),
       {.route = zc::route::ring},
       EINVAL,
       zc::side::out},
      // 0 bytes still check the descriptors.
      {"0 bytes of a closed in", closed, out.get(), {.nbytes = 0}, EBADF, in},
      {"0 bytes to a closed out", file.get(), closed, {.nbytes = 0}, EBADF, zc::side::out},
  };
  for (const row& at : rows) {
    CAPTURE(at.what);
    const zc::transfer done = transfer(at.in, at.out, at.options);
    CHECK(done.reason == zc::stop_reason::failed);
    CHECK(done.error == std::error_code(at.error, std::system_category()));
    CHECK(done.side == at.side);
    CHECK(done.moved == 0);
    CHECK(done.taken == 0);
    CHECK(done.remainder.empty());
    CHECK_THROWS_AS(zc::run(zc::splice(at.in, at.out, at.options)), zc::transfer_error);
    const zc::known_source known_in(at.in);
    const zc::known_target known_out(at.out);
    const zc::transfer known = zc::run(zc::try_splice(known_in, known_out, at.options));
    CHECK(known.error == done.error);
    CHECK(known.side == done.side);
    CHECK(known.taken == 0);
    CHECK_THROWS_AS(zc::run(zc::splice(known_in, known_out, at.options)), zc::transfer_error);
  }
  CHECK(support::contents(out.get()).empty());
}

TEST_CASE("splice: file positions are neither used nor moved, unless that is asked for") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const zc::fd in = support::file_of(1000);
    const zc::fd out = support::file_of(1000, 7);
    ::lseek(in.get(), 300, SEEK_SET);
    ::lseek(out.get(), 400, SEEK_SET);
    CHECK(transfer(in.get(), out.get(), {.offset = 10, .nbytes = 20, .route = route}).moved == 20);
    CHECK(::lseek(in.get(), 0, SEEK_CUR) == 300);
    CHECK(::lseek(out.get(), 0, SEEK_CUR) == 400);
    CHECK(support::are_bytes_at(support::contents(out.get()).substr(0, 20), 10));

    const zc::transfer done =
        transfer(in.get(), out.get(),
                 {.offset = zc::file_position, .out_offset = zc::file_position, .route = route});
    CHECK(done.moved == 700);
    CHECK(::lseek(in.get(), 0, SEEK_CUR) == 1000);
    CHECK(::lseek(out.get(), 0, SEEK_CUR) == 1100);
    CHECK(support::are_bytes_at(support::contents(out.get()).substr(400), 300));
  }
}

TEST_CASE("splice: writes where out_offset says") {
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const zc::fd in = support::file_of(300'000);
    const zc::fd out = support::file_of(10, 7);
    CHECK(transfer(in.get(), out.get(), {.out_offset = 5, .route = route}).moved == 300'000);
    const std::string got = support::contents(out.get());
    CHECK(got.size() == 300'005);
    CHECK(support::are_bytes_at(got.substr(0, 5), 0, 7));
    CHECK(support::are_bytes_at(got.substr(5), 0));
  }
}

TEST_CASE("splice: an O_APPEND target appends, and its position stays") {
  const support::temporary_directory directory;
  const std::string path = directory.path() / "log";
  const zc::fd in = support::file_of(200'000);
  const zc::fd out = support::open_file(path, O_RDWR | O_APPEND | O_CREAT);
  support::write_all(out.get(), "head");
  const off_t before = ::lseek(out.get(), 0, SEEK_CUR);
  const zc::transfer done = transfer(in.get(), out.get());
  CHECK(done.moved == 200'000);
  CHECK(done.route == zc::route::copy);
  CHECK(::lseek(out.get(), 0, SEEK_CUR) == before);
  const std::string got = support::contents(out.get());
  CHECK(got.substr(0, 4) == "head");
  CHECK(support::are_bytes_at(got.substr(4), 0));
}

TEST_CASE("splice: descriptor flags are as before") {
  for (const int flags : {0, int{SOCK_NONBLOCK}}) {
    const zc::fd in = support::file_of(100'000);
    const support::ends pair = support::unix_pair(flags);
    const int before = ::fcntl(pair.first.get(), F_GETFL);
    support::set_nonblocking(pair.second.get(), false);
    support::reader peer(pair.second.get());
    CHECK(transfer(in.get(), pair.first.get()).moved == 100'000);
    CHECK(::fcntl(pair.first.get(), F_GETFL) == before);
    ::shutdown(pair.first.get(), SHUT_WR);
    CHECK(peer.bytes() == support::bytes_at(0, 100'000));
  }
}

TEST_CASE("splice: reports the route that the bytes took") {
  const zc::fd in = support::file_of(100);
  for (const zc::route route : {zc::route::direct, zc::route::ring, zc::route::copy}) {
    CAPTURE(route);
    const zc::fd out = support::empty_file();
    CHECK(transfer(in.get(), out.get(), {.route = route}).route == route);
  }
  const support::ends to = support::unix_pair(SOCK_NONBLOCK);
  // Up to the end of the stream too, although it takes a recv(2) to be sure of that.
  for (const zc::route route : {zc::route::direct, zc::route::ring}) {
    const support::ends stream = support::unix_pair(SOCK_NONBLOCK);
    support::write_all(stream.second.get(), "0123456789");
    ::shutdown(stream.second.get(), SHUT_WR);
    const zc::transfer whole = transfer(stream.first.get(), to.first.get(), {.route = route});
    CHECK(whole.moved == 10);
    CHECK(whole.reason == zc::stop_reason::end_of_file);
    CHECK(whole.route == route);
  }
}

TEST_CASE("splice: of a packet that is longer than what is asked for the rest stays in the pipe") {
  const support::temporary_directory directory;
  for (const zc::route route : support::routes) {
    for (const bool appends : {false, true}) {
      if (appends && route != zc::route::automatic) continue;
      CAPTURE(route);
      CAPTURE(appends);
      const support::ends pipe = support::make_pipe(O_DIRECT);
      support::write_all(pipe.second.get(), "0123456789");
      support::write_all(pipe.second.get(), "abc");
      const int flags = O_RDWR | O_CREAT | O_TRUNC | (appends ? O_APPEND : 0);
      const zc::fd out = support::open_file(directory.path() / "out", flags);
      const zc::transfer done =
          transfer(pipe.first.get(), out.get(), {.nbytes = 4, .route = route});
      CHECK(done.moved == 4);
      CHECK(support::contents(out.get()) == "0123");
      CHECK(support::read_some(pipe.first.get(), 9) == "456789abc");
    }
  }
}

TEST_CASE("splice: every size around a boundary arrives whole, from and to anything") {
  // A page is 4096 bytes, a pipe of ours 262144, a copy 65536, a pipe of the caller's 65536.
  for (const std::size_t size :
       {std::size_t{4095}, std::size_t{4096}, std::size_t{4097}, std::size_t{65535},
        std::size_t{65536}, std::size_t{65537}, std::size_t{262143}, std::size_t{262144},
        std::size_t{262145}, std::size_t{1048577}}) {
    for (const zc::route route : support::routes) {
      for (const bool tcp : {false, true}) {
        CAPTURE(size);
        CAPTURE(route);
        CAPTURE(tcp);
        const zc::fd in = support::file_of(size);
        const zc::fd out = support::empty_file();
        const support::ends pair =
            tcp ? support::tcp_pair(SOCK_NONBLOCK) : support::make_pipe(O_NONBLOCK);
        const auto there_and_on = [&]() -> zc::task<> {
          const auto send = [](int from, int to, bool is_socket, zc::route by) -> zc::task<> {
            CHECK(co_await zc::splice(from, to, {.route = by}) > 0);
            if (is_socket) ::shutdown(to, SHUT_WR);
          };
          zc::task<> sending =
              send(in.get(), tcp ? pair.first.get() : pair.second.get(), tcp, route);
          zc::task<std::uint64_t> receiving =
              zc::splice(tcp ? pair.second.get() : pair.first.get(), out.get(),
                         {.nbytes = size, .route = route});
          const auto both = co_await zc::when_all(std::move(sending), std::move(receiving));
          CHECK(std::get<1>(both) == size);
        };
        zc::run(there_and_on());
        const std::string got = support::contents(out.get());
        CHECK(got.size() == size);
        CHECK(support::are_bytes_at(got, 0));
      }
    }
  }
}

TEST_CASE("splice: files over 4 GiB are counted and placed in 64 bits") {
  constexpr std::int64_t far = (std::int64_t{5} << 30) + 123;
  const zc::fd in = support::empty_file();
  const std::string tail = support::bytes_at(0, 70'000);
  REQUIRE(::pwrite(in.get(), tail.data(), tail.size(), far) == 70'000);
  for (const zc::route route : support::routes) {
    CAPTURE(route);
    const zc::fd out = support::empty_file();
    const zc::transfer done =
        transfer(in.get(), out.get(), {.offset = far - 5, .out_offset = far, .route = route});
    CHECK(done.moved == 70'005);
    std::string got(70'005, '?');
    REQUIRE(::pread(out.get(), got.data(), got.size(), far) == 70'005);
    CHECK(got.substr(0, 5) == std::string(5, '\0'));
    CHECK(support::are_bytes_at(got.substr(5), 0));
  }
}

TEST_CASE("splice: offsets near 2^63 are an error, not an accident") {
  constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  const zc::fd zero = support::open_file("/dev/zero", O_RDONLY);
  const zc::fd out = support::empty_file();
  const zc::transfer past = transfer(zero.get(), out.get(), {.offset = largest - 5, .nbytes = 10});
  CHECK(past.error == std::errc::value_too_large);
  const zc::fd in = support::file_of(10);
  const zc::transfer across = transfer(in.get(), out.get(), {.out_offset = largest - 5});
  CHECK(across.error == std::errc::value_too_large);
  CHECK(across.side == zc::side::out);
  CHECK(across.taken == 0);
  // A memfd has room up to there.
  CHECK(transfer(in.get(), out.get(), {.out_offset = largest - 20}).moved == 10);
  CHECK(::lseek(out.get(), 0, SEEK_END) == largest - 10);
}

TEST_CASE("splice: progress is kept for others to read") {
  zc::progress progress;
  const zc::fd in = support::file_of(600'000);
  const zc::fd out = support::empty_file();
  CHECK(transfer(in.get(), out.get(), {.offset = 1, .progress = &progress}).moved == 599'999);
  CHECK(progress.moved == 599'999);
  CHECK(progress.total == 599'999);
}

TEST_CASE("splice: nonblock moves what can move now, and is EAGAIN where nothing can") {
  for (const zc::route route : support::routes) {
    for (const int blocking_flags : {0, int{SOCK_NONBLOCK}}) {
      if (route == zc::route::direct && blocking_flags == 0) continue;  // refused
      CAPTURE(route);
      CAPTURE(blocking_flags);
      const support::ends pair = support::unix_pair(blocking_flags);
      const zc::fd out = support::empty_file();
      const zc::splice_options options{.flags = zc::splice_flags::nonblock, .route = route};
      const zc::transfer nothing = transfer(pair.first.get(), out.get(), options);
      CHECK(nothing.reason == zc::stop_reason::would_block);
      CHECK(nothing.moved == 0);
      CHECK_FALSE(nothing.error);
      try {
        zc::run(zc::splice(pair.first.get(), out.get(), options));
        FAIL("nothing can move");
      } catch (const zc::transfer_error& error) {
        CHECK(error.code() == std::errc::resource_unavailable_try_again);
      }
      support::write_all(pair.second.get(), "seven b");
      const zc::transfer some = transfer(pair.first.get(), out.get(), options);
      CHECK(some.reason == zc::stop_reason::would_block);
      CHECK(some.moved == 7);

      // The target full: what does not fit is a remainder, or was not taken.
      const zc::fd big = support::file_of(4'000'000);
      const zc::transfer full = transfer(big.get(), pair.first.get(), options);
      CHECK(full.reason == zc::stop_reason::would_block);
      CHECK(full.moved > 0);
      CHECK(full.moved < 4'000'000);
      CHECK(support::conserved(full));
    }
  }
}

TEST_CASE("transfer_error: names the call, the side and the numbers") {
  const zc::fd in = support::file_of(1000);
  support::ends pipe = support::make_pipe();
  { const zc::fd closed = std::move(pipe.first); }
  try {
    zc::run(zc::splice(in.get(), pipe.second.get()));
    FAIL("nobody reads");
  } catch (const zc::transfer_error& error) {
    CHECK(std::string(error.what()) == "zc::splice: out: Broken pipe (moved 0 of 1000 bytes)");
    CHECK(error.code() == std::errc::broken_pipe);
    CHECK(error.side() == zc::side::out);
    CHECK(error.moved() == 0);
    CHECK(error.taken() == error.remainder().size());
  }
}

TEST_SUITE_END();
