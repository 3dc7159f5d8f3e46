#include <poll.h>

#include <cerrno>

#include "engine/direct_call.hpp"
#include "transfer/pump.hpp"
#include "zc/detail/errno_code.hpp"

// What a transfer waits for, and what it makes of errors.

namespace zc::detail {

namespace {

// "Would block" this many times in a row, in spite of poll(2), is a descriptor that does not mean
// it.
constexpr unsigned fruitless_limit = 3;

}  // namespace

/// Whether that end is ready. Where it has to be waited for, says so; and with
/// splice_flags::nonblock ends the transfer where it is not.
step pump::ask(side of) noexcept {
  const bool reading = of == side::in;
  endpoint& end = reading ? in.end : out.end;
  const short events = reading ? short{POLLIN} : short{POLLOUT};
  (reading ? in.wait : out.wait) = false;
  if (!end.pollable() || (reading && end.has_untold_bytes())) return {};
  if (!reading && seen_by != nullptr) seen_by->waits_for_out(*this);
  if (!has(splice_flags::nonblock)) {
    if (!reading) out.push_if_full(kernel());
    const int fd = reading ? end.fd : out.poll_fd();
    return {step::kind::poll, of, fd, reading ? events : out.poll_events()};
  }
  int told = -EINTR;
  while (told == -EINTR) told = direct_poll(kernel(), end.fd, events);
  if (told == 0) told = -EAGAIN;
  return polled(of, told < 0 ? result<unsigned>(errno_code(-told))
                             : result<unsigned>(static_cast<unsigned>(told)));
}

step pump::polled(side of, const result<unsigned>& events) noexcept {
  bool& wait = of == side::in ? in.wait : out.wait;
  if (!events) {
    const bool refused = events.error() == std::errc::resource_unavailable_try_again;
    wait = events.error() == std::errc::interrupted || (refused && !has(splice_flags::nonblock));
    if (!wait) stop(events.error(), of);
  } else if (of == side::out && out.has_hung_up(*events)) {
    stop(errno_code(EPIPE), side::out);
  } else if (of == side::out) {
    wait = !out.has_room_after(*events);
  }
  return {over_ ? step::kind::end : step::kind::again};
}

step pump::paused(std::error_code error) noexcept {
  if (error) stop(error, side::zc);
  return {over_ ? step::kind::end : step::kind::again};
}

/// After a move that would have blocked: lets time pass when that repeats although both descriptors
/// claim to be ready. So no descriptor's whim makes a transfer spin.
step pump::spins() noexcept {
  ++count().would_block;
  if (++fruitless_ <= fruitless_limit) return {};
  if (!has(splice_flags::nonblock)) return {step::kind::pause};
  stop(errno_code(EAGAIN), side::none);
  return {step::kind::end};
}

/// What to do after a move has failed. Another way may do for a splice, and for nothing else.
step pump::failed(std::error_code error, side where, bool spliced) noexcept {
  const int number = error.value();
  if (number == EINTR) return {};
  if (number == EAGAIN) {
    // Ready, and yet no splice: before a TCP urgent mark. recv(2) gets past it.
    const bool marked = spliced && where == side::in && in.end.is == endpoint::kind::socket;
    if (!marked || fruitless_ < fruitless_limit) return spins();
    copy_one_piece();
    return {};
  }
  if (spliced && (number == EINVAL || may_be_forbidden(number))) {
    if (!forced()) {
      copy_from_now_on();
      return {over_ ? step::kind::end : step::kind::again};
    }
    if (asked.route == route::direct && splice_is_forbidden()) where = side::zc;
  }
  if (where == side::in && in.end.ends_with(error)) {
    end(stop_reason::end_of_file);
  } else {
    stop(error, where);
  }
  return {step::kind::end};
}

}  // namespace zc::detail
