// Answers that the kernel cannot be made to give, at every step of a transfer.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <stop_token>
#include <vector>

#include "support/scripted_kernel.hpp"
#include "support/transfers.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"
#include "zc/with_stop.hpp"

namespace {

using support::fault;
using support::scripted_kernel;
using kind = support::fault::kind;

constexpr std::size_t size = 60'000;
// So small that a transfer is of more than 20 moves.
constexpr zc::context_options small_pipes{.entries = 8, .pipe_bytes = 4096};

enum class end { file, append_file, pipe, unix_socket, blocking_unix_socket, tcp_socket };

void make_room(int fd) {
  const int bytes = 1 << 20;
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

support::ends make_stream(end which) {
  if (which == end::pipe) {
    support::ends pipe = support::make_pipe(O_NONBLOCK);
    ::fcntl(pipe.second.get(), F_SETPIPE_SZ, 1 << 20);
    return pipe;
  }
  support::ends pair = which == end::tcp_socket             ? support::tcp_pair(SOCK_NONBLOCK)
                       : which == end::blocking_unix_socket ? support::unix_pair()
                                                            : support::unix_pair(SOCK_NONBLOCK);
  make_room(pair.first.get());
  make_room(pair.second.get());
  return pair;
}

/// A source that holds `size` bytes and nothing after them, and what is left in it.
class source {
 public:
  explicit source(end which) : which_(which) {
    if (which == end::file) {
      ends_.first = support::file_of(size);
      return;
    }
    ends_ = make_stream(which);
    support::write_all(ends_.second.get(), support::bytes_at(0, size));
    ends_.second = {};
  }

  int fd() const { return ends_.first.get(); }
  std::string rest(std::uint64_t taken) const {
    return which_ == end::file ? support::contents(fd()).substr(taken) : support::read_all(fd());
  }

 private:
  end which_;
  support::ends ends_;
};

/// A target with room for all of them, and what it got.
class target {
 public:
  explicit target(end which) : which_(which) {
    if (which == end::file || which == end::append_file) {
      ends_.first = support::empty_file();
      if (which == end::append_file) ::fcntl(ends_.first.get(), F_SETFL, O_APPEND);
      return;
    }
    ends_ = make_stream(which);
    if (which == end::pipe) std::swap(ends_.first, ends_.second);
  }

  int fd() const { return ends_.first.get(); }
  /// What it got: `moved` bytes, and perhaps one that should not be there. Does not wait for an end
  /// of file, for which a kernel worker may have to let go of the target first.
  std::string got(std::uint64_t moved) {
    if (which_ == end::file || which_ == end::append_file) return support::contents(fd());
    std::string all = support::read_some(ends_.second.get(), moved);
    support::set_nonblocking(ends_.second.get(), true);
    char beyond = '?';
    if (::read(ends_.second.get(), &beyond, 1) > 0) all += beyond;
    return all;
  }

 private:
  end which_;
  support::ends ends_;
};

std::string text_of(const zc::remainder& bytes) {
  return {reinterpret_cast<const char*>(bytes.bytes().data()), bytes.size()};
}

/// Every byte is in one place: in the target, in the remainder, or still in the source.
void check_conserved(const zc::transfer& done, const source& from, target& to) {
  CHECK(support::conserved(done));
  const std::string got = to.got(done.moved);
  CHECK(got.size() == done.moved);
  CHECK(support::are_bytes_at(got, 0));
  CHECK(support::are_bytes_at(text_of(done.remainder), done.moved));
  const std::string rest = from.rest(done.taken);
  CHECK(rest.size() == size - done.taken);
  CHECK(support::are_bytes_at(rest, done.taken));
}

struct pair {
  end in;
  end out;
};

constexpr std::array pairs{pair{end::file, end::file},
                           pair{end::file, end::tcp_socket},
                           pair{end::unix_socket, end::tcp_socket},
                           pair{end::tcp_socket, end::file},
                           pair{end::blocking_unix_socket, end::blocking_unix_socket},
                           pair{end::pipe, end::unix_socket},
                           pair{end::unix_socket, end::pipe},
                           pair{end::pipe, end::pipe},
                           pair{end::unix_socket, end::append_file}};

bool serves(zc::route route, const pair& ends) {
  const bool splices = route == zc::route::direct || route == zc::route::ring;
  if (splices && ends.out == end::append_file) return false;
  return route != zc::route::direct ||
         (ends.in != end::blocking_unix_socket && ends.out != end::blocking_unix_socket);
}

/// Runs `check(ends, route)` for every pair and every route that serves it.
template <class Check>
void for_every_way(Check check) {
  for (const pair& ends : pairs) {
    for (const zc::route route : support::routes) {
      if (!serves(route, ends)) continue;
      CAPTURE(ends.in);
      CAPTURE(ends.out);
      CAPTURE(route);
      check(ends, route);
    }
  }
}

/// One transfer of all the bytes, under a script. False when it was over before the fault.
template <class Check>
bool under(zc::context& context, const pair& ends, zc::splice_options options, const fault& script,
           Check check) {
  const std::string says = script.describe();
  CAPTURE(says);
  const source from(ends.in);
  target to(ends.out);
  scripted_kernel kernel(script);
  kernel.stand_before(context);
  const zc::transfer done = context.run(
      zc::timeout(std::chrono::seconds(20), zc::try_splice(from.fd(), to.fd(), options)));
  CAPTURE(done.reason);
  CAPTURE(done.error);
  CAPTURE(done.moved);
  CAPTURE(done.taken);
  check(done, kernel.met());
  check_conserved(done, from, to);
  return kernel.met();
}

/// Whether every byte went, and the transfer says so.
bool is_whole(const zc::transfer& done) {
  const bool over =
      done.reason == zc::stop_reason::complete || done.reason == zc::stop_reason::end_of_file;
  return over && done.moved == size && done.taken == size && !done.error;
}

struct harmless {
  kind what;
  int error;
  int times;
};

/// What must not show: the bytes arrive as if it had not happened.
constexpr std::array harmless_faults{
    harmless{kind::short_count, 0, 1},      harmless{kind::short_count, 0, 7},
    harmless{kind::error, EINTR, 1},        harmless{kind::error, EINTR, 3},
    harmless{kind::error, EAGAIN, 1},       harmless{kind::error, EAGAIN, 3},
    harmless{kind::error, 512, 1},          harmless{kind::error, 513, 1},
    harmless{kind::error, 514, 1},          harmless{kind::error, 516, 3},
    harmless{kind::delayed, 0, 1},          harmless{kind::reordered, 0, 1},
    harmless{kind::queue_full, 0, 1},       harmless{kind::queue_full, 0, 5},
    harmless{kind::enter_fails, EINTR, 1},  harmless{kind::enter_fails, EINTR, 4},
    harmless{kind::enter_fails, EAGAIN, 1}, harmless{kind::enter_fails, EAGAIN, 4},
    harmless{kind::enter_fails, EBUSY, 1},  harmless{kind::enter_fails, EBUSY, 4}};

void meets_harmless_faults(int positions) {
  zc::context context(small_pipes);
  for_every_way([&](const pair& ends, zc::route route) {
    for (const harmless& each : harmless_faults) {
      for (int at = 0; at < positions; ++at) {
        const bool met =
            under(context, ends, {.route = route}, {each.what, each.error, at, each.times},
                  [](const zc::transfer& done, bool) { CHECK(is_whole(done)); });
        if (!met) break;
      }
    }
  });
}

/// With splice_flags::nonblock a fault may end a transfer early, and does not cost a byte.
void meets_faults_while_nonblock(int positions) {
  zc::context context(small_pipes);
  for_every_way([&](const pair& ends, zc::route route) {
    for (const harmless& each : harmless_faults) {
      for (int at = 0; at < positions; ++at) {
        const bool met =
            under(context, ends, {.flags = zc::splice_flags::nonblock, .route = route},
                  {each.what, each.error, at, each.times}, [](const zc::transfer& done, bool) {
                    if (done.reason != zc::stop_reason::would_block) CHECK(is_whole(done));
                  });
        if (!met) break;
      }
    }
  });
}

/// Several transfers side by side, whose completions come late or in another order.
void keeps_streams_apart(kind what, zc::route route) {
  constexpr unsigned count = 8;
  zc::context context(small_pipes);
  std::vector<support::ends> sources;
  std::vector<support::ends> targets;
  std::vector<zc::task<zc::transfer>> transfers;
  for (unsigned i = 0; i < count; ++i) {
    sources.push_back(make_stream(end::unix_socket));
    targets.push_back(make_stream(end::tcp_socket));
    support::write_all(sources[i].second.get(), support::bytes_at(0, size, i));
    sources[i].second = {};
    transfers.push_back(
        zc::try_splice(sources[i].first.get(), targets[i].first.get(), {.route = route}));
  }
  scripted_kernel kernel({what, 0, 0, fault::ever_after});
  kernel.stand_before(context);
  const std::vector<zc::transfer> done = context.run(zc::when_all(std::move(transfers)));
  for (unsigned i = 0; i < count; ++i) {
    CAPTURE(i);
    CHECK(is_whole(done[i]));
    const std::string got = support::read_some(targets[i].second.get(), size);
    CHECK(got.size() == size);
    CHECK(support::are_bytes_at(got, 0, i));
  }
}

void meets_errors(int positions) {
  zc::context context(small_pipes);
  for_every_way([&](const pair& ends, zc::route route) {
    for (const int error : {EIO, ENOMEM, ECANCELED}) {
      for (int at = 0; at < positions; ++at) {
        const auto check = [&](const zc::transfer& done, bool met) {
          if (!met) {
            CHECK(is_whole(done));
          } else if (done.reason == zc::stop_reason::cancelled) {
            CHECK(error == ECANCELED);
            CHECK(!done.error);
          } else if (done.reason == zc::stop_reason::failed) {
            CHECK(done.error == std::error_code(error, std::system_category()));
            CHECK(done.side != zc::side::none);
          } else {
            // Before its first move a forced route asks whether `out` can be spliced to.
            CHECK(at <= 1);
            CHECK((route == zc::route::direct || route == zc::route::ring));
            CHECK(is_whole(done));
          }
        };
        if (!under(context, ends, {.route = route}, {kind::error, error, at, 1}, check)) break;
      }
    }
  });
}

/// Cancels a transfer as its n-th step begins, for every n below `positions`.
void is_cancelled_at_every_step(int positions) {
  zc::context context(small_pipes);
  // Of what is held back or has no room some is the op, and some the cancel. What a cancelled
  // transfer reads is the pipe, to rescue its bytes.
  const std::vector<fault> beside{{},
                                  {kind::delayed, 0, 0, fault::ever_after},
                                  {kind::reordered, 0, 0, fault::ever_after},
                                  {kind::queue_full, 0, 0, 1000},
                                  {kind::error, EINTR, 0, 3, IORING_OP_READ},
                                  {kind::short_count, 0, 0, 3, IORING_OP_READ}};
  for_every_way([&](const pair& ends, zc::route route) {
    for (const fault& each : beside) {
      const std::string says = each.describe();
      CAPTURE(says);
      for (int at = 0; at < positions; ++at) {
        CAPTURE(at);
        const source from(ends.in);
        target to(ends.out);
        std::stop_source stop;
        scripted_kernel kernel(each);
        kernel.before_step([&](int step) {
          if (step == at) stop.request_stop();
        });
        kernel.stand_before(context);
        const zc::transfer done = context.run(zc::timeout(
            std::chrono::seconds(20),
            zc::with_stop(stop.get_token(), zc::try_splice(from.fd(), to.fd(), {.route = route}))));
        CAPTURE(done.reason);
        if (done.reason != zc::stop_reason::cancelled) CHECK(is_whole(done));
        check_conserved(done, from, to);
        if (kernel.steps() <= at) break;
      }
    }
  });
}

/// H11: a splice that is refused at the n-th move, and from then on, whatever has moved before.
void falls_back_at_every_move(int positions) {
  zc::context context(small_pipes);
  for_every_way([&](const pair& ends, zc::route route) {
    if (route == zc::route::copy || ends.out == end::append_file) return;
    for (const int error : {EINVAL, ENOSYS, EOPNOTSUPP}) {
      for (int at = 0; at < positions; ++at) {
        CAPTURE(error);
        CAPTURE(at);
        const source from(ends.in);
        target to(ends.out);
        scripted_kernel kernel({kind::error, error, at, fault::ever_after, IORING_OP_SPLICE});
        kernel.stand_before(context);
        const zc::transfer done = context.run(zc::timeout(
            std::chrono::seconds(20), zc::try_splice(from.fd(), to.fd(), {.route = route})));
        CAPTURE(done.moved);
        CAPTURE(done.error);
        if (route == zc::route::automatic || !kernel.met()) {
          CHECK(is_whole(done));
          if (kernel.met()) CHECK(done.route == zc::route::copy);
        } else {
          CHECK(done.error == std::error_code(error, std::system_category()));
          if (at == 0) CHECK(done.taken == 0);
        }
        check_conserved(done, from, to);
        if (!kernel.met()) break;
      }
    }
  });
}

}  // namespace

TEST_SUITE_BEGIN("kernel");

TEST_CASE("splice: at each of the first 20 steps, what can be mended does not show") {
  meets_harmless_faults(20);
}

TEST_CASE(
    "splice: at each of the first 20 steps, what goes wrong costs a nonblock transfer no byte") {
  meets_faults_while_nonblock(20);
}

TEST_CASE(
    "splice: transfers whose completions come late or in another order keep their bytes apart") {
  for (const kind what : {kind::delayed, kind::reordered}) {
    for (const zc::route route : support::routes) {
      CAPTURE(what);
      CAPTURE(route);
      keeps_streams_apart(what, route);
    }
  }
}

TEST_CASE("splice: at each of the first 20 steps, an error ends a transfer with exact counts") {
  meets_errors(20);
}

TEST_CASE("splice: cancelled at each of the first 20 steps, a transfer conserves every byte") {
  is_cancelled_at_every_step(20);
}

TEST_CASE("splice: refused at each of the first 20 moves, splicing becomes copying") {
  falls_back_at_every_move(20);
}

TEST_CASE("splice: a descriptor that is ready and never moves makes no transfer spin") {
  for (const zc::route route : {zc::route::automatic, zc::route::direct, zc::route::ring}) {
    for (const int which : {1, 2, 3, 4}) {
      CAPTURE(route);
      CAPTURE(which);
      const zc::fd in = support::file_of(1'500'000);
      const support::ends to = support::unix_pair(SOCK_NONBLOCK);
      zc::context context;
      scripted_kernel kernel({kind::error, EAGAIN, which, fault::ever_after, IORING_OP_SPLICE});
      kernel.stand_before(context);
      const zc::transfer done = context.run(zc::timeout(
          std::chrono::milliseconds(100),
          zc::try_splice(in.get(), to.first.get(), {.nbytes = 100'000, .route = route})));
      // The loop came round, or the deadline would never have fired; and it tried about once a
      // millisecond, not as often as it could.
      if (done.reason != zc::stop_reason::complete)
        CHECK(done.reason == zc::stop_reason::timed_out);
      CHECK(kernel.steps() < 500);
      CHECK(support::conserved(done));

      // Small enough for its bytes to go through a pipe, in many moves.
      zc::context narrow(small_pipes);
      const zc::fd out = support::empty_file();
      scripted_kernel again({kind::error, EAGAIN, which, fault::ever_after, IORING_OP_SPLICE});
      again.stand_before(narrow);
      const zc::transfer refused = narrow.run(
          zc::try_splice(in.get(), out.get(),
                         {.nbytes = size, .flags = zc::splice_flags::nonblock, .route = route}));
      CHECK(refused.reason == zc::stop_reason::would_block);
      CHECK(support::conserved(refused));
    }
  }
}

TEST_CASE("splice: bytes that cannot be read back from a pipe are counted, and said to be lost") {
  zc::context context(small_pipes);
  const source from(end::unix_socket);
  target to(end::tcp_socket);
  // The second drain fails, and so does the read after the first byte of what it left. A forced
  // route begins by asking whether `out` can be spliced to.
  scripted_kernel kernel({{kind::error, EIO, 4, 1, IORING_OP_SPLICE},
                          {kind::short_count, 0, 0, 1, IORING_OP_READ},
                          {kind::error, EIO, 1, 1, IORING_OP_READ}});
  kernel.stand_before(context);
  const zc::transfer done =
      context.run(zc::try_splice(from.fd(), to.fd(), {.route = zc::route::direct}));
  CHECK(kernel.met());
  CHECK(done.error == std::errc::io_error);
  CHECK(done.side == zc::side::zc);
  CHECK(done.remainder.size() == 1);
  CHECK(support::are_bytes_at(text_of(done.remainder), done.moved));
  CHECK(done.taken > done.moved + 1);
  CHECK(to.got(done.moved).size() == done.moved);
  CHECK(from.rest(done.taken).size() == size - done.taken);
}

TEST_CASE("splice: a tail sent as \"more follows\" is pushed when nothing follows") {
  for (const zc::route route : {zc::route::direct, zc::route::ring}) {
    CAPTURE(route);
    auto fastest = std::chrono::steady_clock::duration::max();
    for (int i = 0; i < 5; ++i) {
      const zc::fd in = support::file_of(1'500'000);
      const support::ends pair = support::tcp_pair(SOCK_NONBLOCK);
      support::set_nonblocking(pair.second.get(), false);
      // The file seems to end after the first chunk, which is less than a segment. A forced route
      // begins by asking whether `out` can be spliced to.
      zc::context context({.pipe_bytes = 4096});
      scripted_kernel kernel({kind::error, 0, 3, 1, IORING_OP_SPLICE});
      kernel.stand_before(context);
      const auto began = std::chrono::steady_clock::now();
      const zc::transfer done =
          context.run(zc::try_splice(in.get(), pair.first.get(), {.route = route}));
      CHECK(done.reason == zc::stop_reason::end_of_file);
      REQUIRE(done.moved == 4096);
      std::string got(done.moved, '?');
      for (std::size_t at = 0; at < got.size();) {
        const ssize_t some = ::read(pair.second.get(), &got[at], got.size() - at);
        REQUIRE(some > 0);
        at += static_cast<std::size_t>(some);
      }
      CHECK(support::are_bytes_at(got, 0));
      fastest = std::min(fastest, std::chrono::steady_clock::now() - began);
    }
    // Held back, it takes 200 ms, every time.
    CHECK(fastest < std::chrono::milliseconds(150));
  }
}

TEST_SUITE_END();
