#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>

#include "transfer/mover.hpp"

namespace zc::detail {

namespace {

// As much as a turn may move beyond its limit; see scheduler.
constexpr std::uint64_t hop_limit_bytes = 1024 * 1024;
// A pipe that poll(2) calls writable has room for this much (pipe(7)).
constexpr std::size_t free_pipe_bytes = 4096;

/// Reading a pipe does not fail, and writing to one fails only with EPIPE: so a failed splice
/// between a pipe and something else says by itself which end it was.
side failed_side(const mover& m, std::error_code error) noexcept {
  if (m.in.is == endpoint::kind::pipe) return side::out;
  return error == std::errc::broken_pipe ? side::out : side::in;
}

/// How much to ask for. No more than there is in the pipe, where that goes to a socket: the kernel
/// would hold the tail back for the bytes that are missing.
std::uint64_t at_hand(const mover& m) noexcept {
  int in_pipe = 0;
  const bool tells = m.in.is == endpoint::kind::pipe && m.out.is == endpoint::kind::socket &&
                     ::ioctl(m.in.fd, FIONREAD, &in_pipe) == 0 && in_pipe > 0;
  return tells ? std::min(static_cast<std::uint64_t>(in_pipe), hop_limit_bytes) : hop_limit_bytes;
}

}  // namespace

task<outcome> hop(mover& m) {
  const bool out_direct = m.is_direct(m.out);
  if (m.done.moved == 0) {
    m.done.route = out_direct && m.is_direct(m.in) ? route::direct : route::ring;
  }
  bool wait_first = false;
  outcome left_off = outcome::over;
  while (!m.over()) {
    co_await breather(*m.env.where);
    const std::uint64_t most = std::min(m.left, hop_limit_bytes);
    bool direct = out_direct && m.takes_directly(static_cast<std::size_t>(most));
    if (wait_first || !direct) {
      // Either end may be the one that is not ready; neither is held meanwhile.
      std::error_code error = co_await ready(m, m.in, POLLIN);
      side where = side::in;
      if (!error) {
        error = co_await ready(m, m.out, POLLOUT);
        where = side::out;
      }
      const verdict next = m.judge_wait(error, where);
      if (next == verdict::leave) break;
      if (next == verdict::retry) continue;
      co_await breather(*m.env.where);
      // The wait may have been long.
      direct = direct && m.takes_directly(static_cast<std::size_t>(most));
      if (m.in.may_park(POLLIN) || m.out.may_park(POLLOUT)) {
        left_off = outcome::copy_some;
        break;
      }
    }
    wait_first = false;
    const std::size_t nbytes = static_cast<std::size_t>(
        std::min<std::uint64_t>({most, m.out.write_limit_bytes(), at_hand(m)}));
    const bool more = m.more_follows(0, m.left - nbytes);
    result<std::size_t> moved = std::size_t{0};
    if (const std::error_code error = m.check_message(std::min(nbytes, free_pipe_bytes))) {
      moved = error;
    } else {
      moved = co_await splice_once(m, direct, m.in.fd, m.in_at, m.out.fd, m.out_at, nbytes, more);
    }
    if (moved && *moved > 0) {
      m.took(*moved);
      m.gave(*moved, direct ? route::direct : route::ring);
      m.corked = more;
    } else if (moved) {
      co_return m.source_ended();
    } else {
      const side where = failed_side(m, moved.error());
      const verdict next = m.judge_splice(moved.error(), where, left_off);
      if (next == verdict::leave) break;
      if (next == verdict::retry) continue;
      wait_first = true;
      if (const std::error_code error = co_await back_off(m)) {
        m.stop(error, side::zc);
        break;
      }
    }
  }
  co_return left_off;
}

}  // namespace zc::detail
