// H11: answers that the kernel cannot be made to give, at every move of a transfer.

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "interceptor.hpp"
#include "loop.hpp"
#include "support/transfers.hpp"
#include "zc/timeout.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

/// Answers the n-th splice (from 0) with an error, once or ever after; counts them all.
class at_splice final : public zc::detail::interceptor {
 public:
  at_splice(int which, int error, bool ever_after)
      : which_(which), error_(error), ever_after_(ever_after) {}

  int seen() const { return seen_; }

 private:
  std::optional<int> answer(const io_uring_sqe& sqe) noexcept override {
    if (sqe.opcode != IORING_OP_SPLICE) return {};
    const int now = seen_++;
    if (now == which_ || (ever_after_ && now > which_)) return -error_;
    return {};
  }

  int which_;
  int error_;
  bool ever_after_;
  int seen_ = 0;
};

/// Lets one fill from the file through, and says "end of file" to the next.
class after_first_fill final : public zc::detail::interceptor {
 private:
  std::optional<int> answer(const io_uring_sqe& sqe) noexcept override {
    const bool fill = sqe.opcode == IORING_OP_READ ||
                      (sqe.opcode == IORING_OP_SPLICE && sqe.splice_off_in != ~std::uint64_t{0});
    if (!fill || fills_++ == 0) return {};
    return 0;
  }

  int fills_ = 0;
};

zc::transfer intercepted(int in, int out, zc::splice_options options, at_splice& by) {
  zc::context context;
  zc::detail::loop::of(context).ops().intercept_with(&by);
  return context.run(zc::try_splice(in, out, options));
}

/// A source of 1 500 000 bytes, which is at least six moves through a pipe of ours.
constexpr std::size_t size = 1'500'000;

zc::fd file_source() { return support::file_of(size); }

}  // namespace

TEST_CASE("splice: EINVAL at any move falls back to copying, and moves every byte once") {
  for (int which = 0;; ++which) {
    CAPTURE(which);
    const zc::fd in = file_source();
    const zc::fd out = support::empty_file();
    at_splice by(which, EINVAL, true);
    const zc::transfer done = intercepted(in.get(), out.get(), {}, by);
    CHECK(done.moved == size);
    CHECK(done.reason == zc::stop_reason::complete);
    CHECK(done.remainder.empty());
    const std::string got = support::contents(out.get());
    CHECK(got.size() == size);
    CHECK(support::are_bytes_at(got, 0));
    if (by.seen() <= which) break;  // it was over before
    CHECK(done.route == zc::route::copy);
  }
}

TEST_CASE("splice: EINVAL at any move of a stream loses and doubles nothing") {
  // In-memory streams that cannot be read twice: socket to socket, and pipe to socket.
  for (const bool from_pipe : {false, true}) {
    for (int which = 0;; ++which) {
      CAPTURE(from_pipe);
      CAPTURE(which);
      const support::ends from =
          from_pipe ? support::make_pipe(O_NONBLOCK) : support::unix_pair(SOCK_NONBLOCK);
      const support::ends to = support::unix_pair(SOCK_NONBLOCK);
      const int room = 1 << 20;
      ::setsockopt(from.second.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
      ::setsockopt(to.first.get(), SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
      support::write_all(from.second.get(), support::bytes_at(0, 60'000));
      if (!from_pipe) ::shutdown(from.second.get(), SHUT_WR);
      at_splice by(which, EINVAL, true);
      const zc::transfer done =
          intercepted(from.first.get(), to.first.get(), {.nbytes = 60'000}, by);
      CHECK(done.moved == 60'000);
      ::shutdown(to.first.get(), SHUT_WR);
      support::set_nonblocking(to.second.get(), false);
      const std::string got = support::read_all(to.second.get());
      CHECK(got.size() == 60'000);
      CHECK(support::are_bytes_at(got, 0));
      if (by.seen() <= which) break;
    }
  }
}

TEST_CASE("splice: an error at any move ends a transfer with exact counts") {
  for (const zc::route route : {zc::route::automatic, zc::route::direct, zc::route::ring}) {
    for (const int error : {EIO, ENOMEM, EINVAL}) {
      if (error == EINVAL && route == zc::route::automatic) continue;  // falls back, see above
      for (int which = 0;; ++which) {
        CAPTURE(route);
        CAPTURE(error);
        CAPTURE(which);
        const zc::fd in = file_source();
        const zc::fd out = support::empty_file();
        at_splice by(which, error, true);
        const zc::transfer done = intercepted(in.get(), out.get(), {.route = route}, by);
        if (by.seen() <= which) {
          CHECK(done.moved == size);
          break;
        }
        CHECK(done.error == std::error_code(error, std::system_category()));
        CHECK(done.side == (which % 2 == 0 ? zc::side::in : zc::side::out));
        CHECK(support::conserved(done));
        CHECK(support::contents(out.get()).size() == done.moved);
        const auto kept = done.remainder.bytes();
        CHECK(support::are_bytes_at({reinterpret_cast<const char*>(kept.data()), kept.size()},
                                    done.moved));
      }
    }
  }
}

TEST_CASE("splice: an interrupted or refused move is made again") {
  for (const zc::route route : {zc::route::automatic, zc::route::direct, zc::route::ring}) {
    // 512 and up are the kernel's own: workers let them out, system calls do not.
    for (const int error : {EINTR, EAGAIN, 512, 513, 514, 516}) {
      if (error >= 512 && route == zc::route::direct) continue;
      for (int which = 0;; ++which) {
        CAPTURE(route);
        CAPTURE(error);
        CAPTURE(which);
        const zc::fd in = file_source();
        const zc::fd out = support::empty_file();
        at_splice by(which, error, false);
        const zc::transfer done = intercepted(in.get(), out.get(), {.route = route}, by);
        CHECK(done.moved == size);
        CHECK(done.reason == zc::stop_reason::complete);
        CHECK(support::are_bytes_at(support::contents(out.get()), 0));
        if (by.seen() <= which) break;
      }
    }
  }
}

TEST_CASE("splice: a descriptor that is ready and never moves makes no transfer spin") {
  for (const zc::route route : {zc::route::automatic, zc::route::direct, zc::route::ring}) {
    for (const int which : {0, 1, 2, 3}) {
      CAPTURE(route);
      CAPTURE(which);
      const zc::fd in = file_source();
      const support::ends to = support::unix_pair(SOCK_NONBLOCK);
      at_splice by(which, EAGAIN, true);
      zc::context context;
      zc::detail::loop::of(context).ops().intercept_with(&by);
      const zc::transfer done = context.run(zc::timeout(
          std::chrono::milliseconds(100),
          zc::try_splice(in.get(), to.first.get(), {.nbytes = 100'000, .route = route})));
      // The loop came round, or the deadline would never have fired; and it tried about once a
      // millisecond, not as often as it could.
      if (done.reason != zc::stop_reason::complete)
        CHECK(done.reason == zc::stop_reason::timed_out);
      CHECK(by.seen() < 500);
      CHECK(support::conserved(done));

      at_splice at_once(which, EAGAIN, true);
      const zc::fd out = support::empty_file();
      const zc::transfer refused = intercepted(
          in.get(), out.get(), {.flags = zc::splice_flags::nonblock, .route = route}, at_once);
      CHECK(refused.reason == zc::stop_reason::would_block);
      CHECK(support::conserved(refused));
    }
  }
}

TEST_CASE("splice: a tail sent as \"more follows\" is pushed when nothing follows") {
  for (const zc::route route : {zc::route::automatic, zc::route::direct, zc::route::ring}) {
    CAPTURE(route);
    auto fastest = std::chrono::steady_clock::duration::max();
    for (int i = 0; i < 5; ++i) {
      const zc::fd in = file_source();
      const support::ends pair = support::tcp_pair(SOCK_NONBLOCK);
      support::set_nonblocking(pair.second.get(), false);
      // The file seems to end after the first chunk, which is less than a segment.
      after_first_fill by;
      zc::context context({.pipe_bytes = 4096});
      zc::detail::loop::of(context).ops().intercept_with(&by);
      const auto began = std::chrono::steady_clock::now();
      const zc::transfer done =
          context.run(zc::try_splice(in.get(), pair.first.get(), {.route = route}));
      CHECK(done.reason == zc::stop_reason::end_of_file);
      REQUIRE(done.moved > 0);
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
