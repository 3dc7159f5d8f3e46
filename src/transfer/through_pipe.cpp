#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "engine/direct_call.hpp"
#include "transfer/leased_pipe.hpp"
#include "transfer/mover.hpp"

namespace zc::detail {

namespace {

// Of segments this small, a copy costs less than a pipe's pages.
constexpr std::size_t light_bytes = 4096;

/// Whether anything can be spliced to `out`: asked with an empty pipe, so that nothing is.
bool takes_splices(const mover& m, const leased_pipe& empty) noexcept {
  return direct_splice(m.kernel(), {empty.read_end(), -1, m.out.fd, -1, 1, SPLICE_F_NONBLOCK}) !=
         -EINVAL;
}

void count_fill(const mover& m, const leased_pipe& filled) noexcept {
  counters& all = m.count();
  ++all.pipe_fills;
  all.pipe_fill_bytes += filled.holds;
  all.pipe_room_bytes += filled.capacity_bytes();
}

}  // namespace

// Each time round is one move: a fill of the empty pipe, or a drain of what is in it. A pipe is
// filled only when empty: then EAGAIN speaks of `in`, and no drain waits behind a fill.
task<outcome> through_pipe(mover& m) {
  const bool drain_direct = m.is_direct(m.out);
  bool fill_direct = m.is_direct(m.in);
  if (m.done.moved == 0) m.done.route = fill_direct && drain_direct ? route::direct : route::ring;
  leased_pipe lease;
  bool wait_first = !fill_direct;
  bool light = false;
  outcome left_off = outcome::over;
  // What is in the pipe goes out before the transfer is over, unless it is cancelled.
  while (lease.holds > 0 ? !m.cut() : !m.over()) {
    co_await breather(*m.env.where);
    const bool filling = lease.holds == 0;
    side where = filling ? side::in : side::out;
    const endpoint& end = filling ? m.in : m.out;
    std::error_code error;
    if (wait_first && end.pollable()) {
      if (filling) lease.give_back();
      error = co_await ready(m, end, filling ? POLLIN : POLLOUT);
      co_await breather(*m.env.where);
    }
    // What cannot go out at once is not taken, where the caller would rather come back.
    if (!error && filling && m.has(splice_flags::nonblock)) {
      error = co_await ready(m, m.out, POLLOUT);
      if (error) where = side::out;
    }
    const verdict waited = m.judge_wait(error, where);
    if (waited == verdict::leave) break;
    if (waited == verdict::retry) continue;
    if (!lease.take(m.pipes())) {
      ++m.count().without_pipe;
      left_off = outcome::copy_some;
      break;
    }
    // A forced route fails before it takes anything, not after.
    if (m.forced() && m.done.taken == 0 && !takes_splices(m, lease)) {
      m.stop(errno_code(EINVAL), side::out);
      break;
    }

    // Only recv(2) and send(2) can be told not to wait.
    if (end.may_park(filling ? POLLIN : POLLOUT)) {
      left_off = outcome::copy_some;
      break;
    }

    result<std::size_t> moved = std::size_t{0};
    bool more = false;
    lease.busy = true;
    if (filling) {
      const std::size_t nbytes = static_cast<std::size_t>(
          std::min<std::uint64_t>({m.left, lease.capacity_bytes(), m.take_limit_bytes()}));
      if (const std::error_code no_message = m.check_message(nbytes)) {
        moved = no_message;
      } else {
        fill_direct = m.takes_directly(nbytes);
        moved = co_await splice_once(m, fill_direct, m.in.fd, m.in_at, lease.write_end(), -1,
                                     nbytes, false);
      }
    } else {
      const std::size_t nbytes = std::min(lease.holds, m.out.write_limit_bytes());
      more = m.more_follows(lease.holds - nbytes, m.left);
      moved = co_await splice_once(m, drain_direct, lease.read_end(), -1, m.out.fd, m.out_at,
                                   nbytes, more);
    }
    lease.busy = false;

    if (moved && *moved > 0 && filling) {
      m.took(*moved);
      lease.holds = *moved;
      count_fill(m, lease);
      wait_first = !drain_direct;
      light = *moved < light_bytes && m.may_bounce();
    } else if (moved && *moved > 0) {
      m.gave(*moved, fill_direct && drain_direct ? route::direct : route::ring);
      m.corked = more;
      lease.holds -= *moved;
      wait_first = lease.holds > 0 ? !drain_direct : !m.is_direct(m.in);
      if (lease.holds == 0 && light) {
        left_off = outcome::light;
        break;
      }
    } else if (moved && filling) {
      left_off = m.source_ended();
      break;
    } else if (moved) {
      m.stop(errno_code(EIO), side::out);  // accepts nothing, and does not say why
      break;
    } else {
      const verdict next = m.judge_splice(moved.error(), where, left_off);
      if (next == verdict::leave) break;
      if (next == verdict::retry) continue;
      wait_first = true;
      if (filling) lease.give_back();
      error = co_await back_off(m);
      if (error) {
        m.stop(error, side::zc);
        break;
      }
    }
  }
  if (const std::error_code error = lease.read_back(m.kernel(), m.staged)) {
    // Not by way of stop(): whatever ended the transfer, what counts is that bytes are lost.
    m.done.reason = stop_reason::failed;
    m.done.error = error;
    m.done.side = side::zc;
    left_off = outcome::over;
  }
  co_return left_off;
}

}  // namespace zc::detail
