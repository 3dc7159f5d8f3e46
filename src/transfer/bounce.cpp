#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <span>

#include "engine/direct_call.hpp"
#include "transfer/mover.hpp"

namespace zc::detail {

namespace {

/// Keeps bytes that were taken and that `out` has no room for. False without memory for them.
bool stage(mover& m, std::span<const std::byte> bytes) noexcept {
  std::unique_ptr<std::byte[]> kept(new (std::nothrow) std::byte[bytes.size()]);
  if (!kept) return false;
  std::memcpy(kept.get(), bytes.data(), bytes.size());
  m.staged = remainder(std::move(kept), 0, bytes.size());
  return true;
}

/// Gives `out` what it takes of `bytes`: how many, or -errno.
int give(mover& m, std::span<const std::byte> bytes) noexcept {
  const bool more = m.more_follows(0, m.left);
  const int sent = direct_send(m.kernel(), m.out.fd, bytes.data(), bytes.size(),
                               MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0));
  if (sent > 0) {
    m.gave(static_cast<std::size_t>(sent), route::copy);
    m.corked = more;
  }
  return sent;
}

}  // namespace

// Each time round takes what is there and gives it on at once, in the context's own memory; only
// what `out` has no room for gets memory of its own. So a waiting transfer holds none.
task<outcome> bounce(mover& m) {
  const std::span<std::byte> scratch = m.scratch();
  if (scratch.empty()) co_return outcome::heavy;
  if (m.done.moved == 0) m.done.route = route::copy;
  bool wait = false;
  while (m.staged.empty() ? !m.over() : !m.cut()) {
    co_await breather(*m.env.where);
    const bool taking = m.staged.empty();
    side where = taking ? side::in : side::out;
    if (wait) {
      // One await for both: this frame is a part of what an idle relay costs.
      const std::error_code error =
          co_await ready(m, taking ? m.in : m.out, taking ? POLLIN : POLLOUT);
      const verdict waited = m.judge_wait(error, where);
      if (waited == verdict::leave) break;
      if (waited == verdict::retry) continue;
      co_await breather(*m.env.where);
    }
    wait = false;
    int moved = 0;
    if (taking) {
      const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(m.left, scratch.size()));
      moved = direct_recv(m.kernel(), m.in.fd, scratch.data(), wanted, MSG_DONTWAIT);
      if (moved == 0) {
        m.done.reason = stop_reason::end_of_file;
        break;
      }
      if (moved > 0) {
        std::span<const std::byte> bytes(scratch.data(), static_cast<std::size_t>(moved));
        m.took(bytes.size());
        where = side::out;
        moved = give(m, bytes);
        if (moved > 0) bytes = bytes.subspan(static_cast<std::size_t>(moved));
        if (!bytes.empty() && !stage(m, bytes)) {
          m.stop(errno_code(ENOMEM), side::zc);
          break;
        }
        // So much at a time is cheaper by way of a pipe.
        if (moved == static_cast<int>(scratch.size()) && m.left > 0) co_return outcome::heavy;
        // Asked for more than there was: the next bytes are still to come.
        wait = true;
      }
    } else {
      moved = give(m, m.staged.bytes());
      if (moved > 0) m.staged.drop(static_cast<std::size_t>(moved));
    }
    if (moved >= 0) continue;
    const verdict next = m.judge(errno_code(-moved), where);
    if (next == verdict::leave) break;
    if (next == verdict::retry) {
      wait = false;
      continue;
    }
    wait = true;
    if (!m.spins()) continue;
    if (const std::error_code error = co_await pause(m)) {
      m.stop(error, side::zc);
      break;
    }
  }
  co_return outcome::over;
}

}  // namespace zc::detail
