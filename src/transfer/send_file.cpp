#include <poll.h>

#include <algorithm>

#include "engine/direct_call.hpp"
#include "transfer/mover.hpp"

namespace zc::detail {

namespace {

// A default pipe, which sendfile(2) has inside.
constexpr std::uint64_t least_piece_bytes = 64 * 1024;
// What takes long anyway is cheaper in larger pieces.
constexpr std::uint64_t most_piece_bytes = 256 * 1024;
constexpr std::uint64_t pieces = 16;

std::size_t next_piece(std::uint64_t left) noexcept {
  const std::uint64_t nbytes = std::clamp(left / pieces, least_piece_bytes, most_piece_bytes);
  return static_cast<std::size_t>(std::min(left, nbytes));
}

}  // namespace

bool suits_send_file(const mover& m) noexcept {
  const bool from_file = m.in.is == endpoint::kind::file && m.in.size && !m.in.direct_io;
  return !m.forced() && m.asked.flags == splice_flags::none && from_file && m.in_at >= 0 &&
         m.out.sends_at_once();
}

// Nothing is ever in between: what sendfile(2) has read and cannot write is in the file still.
task<outcome> send_file(mover& m) {
  if (m.done.moved == 0) m.done.route = route::direct;
  bool wait = false;
  outcome left_off = outcome::over;
  while (!m.over()) {
    // Many connections are served much faster a piece each in turn than one after the other: less
    // is under way, and caches are warm.
    co_await breather(*m.env.where, true);
    if (wait) {
      const verdict waited = m.judge_wait(co_await ready(m, m.out, POLLOUT), side::out);
      if (waited == verdict::leave) break;
      if (waited == verdict::retry) continue;
      co_await breather(*m.env.where);
    }
    wait = false;
    const std::size_t nbytes = next_piece(m.left);
    if (!m.is_in_memory(nbytes)) co_return outcome::heavy;
    const int sent = direct_sendfile(m.kernel(), m.in.fd, m.in_at, m.out.fd, nbytes);
    if (sent > 0) {
      m.took(static_cast<std::size_t>(sent));
      m.gave(static_cast<std::size_t>(sent), route::direct);
      // Short of a file's end that has moved, it may have said that more follows.
      m.corked = static_cast<std::size_t>(sent) < nbytes;
    } else if (sent == 0 || may_be_forbidden(-sent)) {
      co_return outcome::heavy;  // truncated meanwhile, or not allowed
    } else {
      const verdict next = m.judge_splice(errno_code(-sent), side::out, left_off);
      if (next == verdict::leave) break;
      if (next == verdict::retry) continue;
      wait = true;
      if (const std::error_code error = co_await back_off(m)) {
        m.stop(error, side::zc);
        break;
      }
    }
  }
  co_return left_off;
}

}  // namespace zc::detail
