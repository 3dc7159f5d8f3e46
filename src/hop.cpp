#include <poll.h>

#include <algorithm>

#include "mover.hpp"

namespace zc::detail {

namespace {

// With a turn's share before it, no turn moves more than 2 MiB.
constexpr std::uint64_t hop_limit_bytes = 1024 * 1024;

/// Reading a pipe does not fail, and writing to one fails only with EPIPE: so a failed splice
/// between a pipe and something else says by itself which end it was.
side failed_side(const mover& m, std::error_code error) noexcept {
  if (m.in.is == endpoint::kind::pipe) return side::out;
  return error == std::errc::broken_pipe ? side::out : side::in;
}

}  // namespace

task<outcome> hop(mover& m) {
  const bool direct = m.is_direct(m.in) && m.is_direct(m.out);
  bool wait_first = !direct;
  while (!m.over()) {
    co_await breather(m);
    if (wait_first) {
      // Either end may be the one that is not ready; neither is held meanwhile.
      std::error_code error = co_await ready(m, m.in, POLLIN);
      side where = side::in;
      if (!error) {
        error = co_await ready(m, m.out, POLLOUT);
        where = side::out;
      }
      if (error) {
        m.stop(error, where);
        break;
      }
    }
    wait_first = !direct;
    const std::size_t nbytes = static_cast<std::size_t>(
        std::min<std::uint64_t>({m.left, m.out.write_limit_bytes(), hop_limit_bytes}));
    const bool more = m.more_follows(0, m.left - nbytes);
    const result<std::size_t> moved =
        co_await splice_once(m, direct, m.in.fd, m.in_at, m.out.fd, m.out_at, nbytes, more);
    if (moved && *moved > 0) {
      m.took(*moved);
      m.gave(*moved, direct ? route::direct : route::ring);
      m.corked = more;
    } else if (moved) {
      co_return m.source_ended();
    } else if (sort(moved.error()) == trouble::again) {
      wait_first = true;
      if (const std::error_code error = co_await back_off(m)) {
        m.stop(error, side::none);
        break;
      }
    } else if (sort(moved.error()) == trouble::cannot_splice && !m.forced()) {
      co_return outcome::cannot_splice;
    } else if (sort(moved.error()) != trouble::interrupted) {
      m.stop(moved.error(), failed_side(m, moved.error()));
      break;
    }
  }
  co_return outcome::over;
}

}  // namespace zc::detail
