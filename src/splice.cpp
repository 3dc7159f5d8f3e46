#include "zc/splice.hpp"

#include <unistd.h>

#include <limits>
#include <new>
#include <optional>
#include <utility>

#include "file_to_file.hpp"
#include "mover.hpp"

namespace zc {

namespace {

using detail::endpoint;
using detail::errno_code;
using detail::foreknowledge;
using detail::mover;
using detail::outcome;

/// Why a call is refused before a byte moves, and which descriptor it is about.
struct refusal {
  std::error_code error;
  side where = side::none;
};

bool is_offset(std::int64_t offset) noexcept { return offset >= 0 || offset == file_position; }

/// Where the first byte is, for a source that has a position.
result<std::uint64_t> start_of(const endpoint& in, std::int64_t offset) noexcept {
  if (offset != file_position) return static_cast<std::uint64_t>(offset);
  const off_t at = ::lseek(in.fd, 0, SEEK_CUR);
  if (at < 0) return errno_code(errno);
  return static_cast<std::uint64_t>(at);
}

bool passes_largest_offset(std::uint64_t from, std::uint64_t nbytes) noexcept {
  constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  return nbytes != to_end && (from > largest || nbytes > largest - from);
}

/// How many bytes the call asks for: to_end where only the end of `in` will tell.
refusal resolve_source(mover& m) noexcept {
  const splice_options& asked = m.asked;
  if (!is_offset(asked.offset)) return {errno_code(EINVAL), side::in};
  m.in_at = m.in.seekable ? asked.offset : file_position;
  m.left = asked.nbytes;
  if (!m.in.seekable) {
    if (asked.offset > 0) return {errno_code(ESPIPE), side::in};
    return {};
  }
  const result<std::uint64_t> start = start_of(m.in, asked.offset);
  if (!start) return {start.error(), side::in};
  if (m.in.size) {
    if (*start > *m.in.size) return {errno_code(EOVERFLOW), side::in};
    const std::uint64_t available = *m.in.size - *start;
    if (asked.nbytes == to_end) {
      m.left = available;
    } else if (asked.nbytes > available) {
      return {errno_code(EOVERFLOW), side::in};
    }
  } else if (passes_largest_offset(*start, asked.nbytes)) {
    return {errno_code(EOVERFLOW), side::in};
  }
  return {};
}

refusal resolve_target(mover& m) noexcept {
  const std::int64_t offset = m.asked.out_offset;
  if (!is_offset(offset)) return {errno_code(EINVAL), side::out};
  m.out_at = m.out.seekable ? offset : file_position;
  if (!m.out.seekable && offset > 0) return {errno_code(ESPIPE), side::out};
  if (m.out.append && offset > 0) return {errno_code(EINVAL), side::out};
  const std::uint64_t nbytes = m.left == to_end ? to_end : m.left + m.staged.size();
  if (offset > 0 && passes_largest_offset(static_cast<std::uint64_t>(offset), nbytes)) {
    return {errno_code(EOVERFLOW), side::out};
  }
  return {};
}

bool known_flags(splice_flags flags) noexcept {
  constexpr splice_flags all =
      splice_flags::move | splice_flags::nonblock | splice_flags::more | splice_flags::gift;
  return (flags | all) == all;
}

bool is_pipe(const endpoint& end) noexcept { return end.is == endpoint::kind::pipe; }

/// splice(2) appends to nothing but pipes.
bool cannot_splice_to(const endpoint& out) noexcept { return out.append && !is_pipe(out); }

refusal resolve_route(const mover& m) noexcept {
  const bool splices = m.asked.route == route::direct || m.asked.route == route::ring;
  if (splices && cannot_splice_to(m.out)) return {errno_code(EINVAL), side::out};
  if (m.asked.route == route::direct) {
    if (m.in.may_block()) return {errno_code(EINVAL), side::in};
    if (m.out.may_block()) return {errno_code(EINVAL), side::out};
  }
  return {};
}

/// Checks the call and fills in what follows from it. Nothing has moved when it refuses. `about`:
/// what fstat(2) has just said of `in`, where it was asked.
refusal resolve(mover& m, int in, int out, const foreknowledge& known,
                const struct stat* about) noexcept {
  if (!known_flags(m.asked.flags)) return {errno_code(EINVAL), side::none};
  const result<endpoint> source =
      known.in != nullptr ? *known.in : detail::look_at(in, detail::direction::reading, about);
  if (!source) return {source.error(), side::in};
  const result<endpoint> target =
      known.out != nullptr ? *known.out : detail::look_at(out, detail::direction::writing);
  if (!target) return {target.error(), side::out};
  m.in = *source;
  m.out = *target;
  if (is_pipe(m.in) && is_pipe(m.out) && m.in.device == m.out.device && m.in.inode == m.out.inode) {
    return {errno_code(EINVAL), side::none};
  }
  if (const refusal why = resolve_source(m); why.error) return why;
  if (const refusal why = resolve_target(m); why.error) return why;
  return resolve_route(m);
}

void begin_progress(progress* seen, std::uint64_t total) noexcept {
  if (seen == nullptr) return;
  seen->moved.store(0, std::memory_order_relaxed);
  seen->total.store(total, std::memory_order_relaxed);
}

void refuse(mover& m, const refusal& why) noexcept {
  m.done.route = m.asked.route;
  m.done.reason = stop_reason::failed;
  m.done.error = why.error;
  m.done.side = why.where;
}

/// Whether the transfer begins by copying: it was asked to, or its first splice would be in vain,
/// or would drop what of a message is too long for a pipe, or could park a kernel worker.
bool begins_by_copying(const mover& m) noexcept {
  if (m.asked.route == route::copy || cannot_splice_to(m.out)) return true;
  return !m.forced() && (m.in.messages || !m.out.known_room);
}

/// Goes on where the last way of moving has left off; empty at the end. Not in a coroutine of its
/// own: its frame would be a part of what an idle transfer costs.
task<outcome> go_on(mover& m, outcome next) {
  switch (next) {
    case outcome::light:
      return bounce(m);
    case outcome::heavy:
      return is_pipe(m.in) || is_pipe(m.out) ? hop(m) : through_pipe(m);
    case outcome::copy_some:
      return copy(m, false);
    case outcome::cannot_splice:
      if (!m.forced()) ++m.count().cannot_splice;
      return copy(m, true);
    case outcome::over:
      break;
  }
  return {};
}

task<outcome> begin(mover& m) {
  if (detail::suits_file_to_file(m)) return detail::file_to_file(m);
  if (begins_by_copying(m)) return go_on(m, outcome::cannot_splice);
  if (m.may_bounce()) return go_on(m, outcome::light);
  return suits_send_file(m) ? send_file(m) : go_on(m, outcome::heavy);
}

void finish(mover& m) noexcept {
  if (m.done.reason != stop_reason::complete) m.push_tail();
  m.done.remainder = std::move(m.staged);
}

/// What a throwing call makes of a transfer: how many bytes moved, or the error.
std::uint64_t moved_or_throw(transfer done, std::uint64_t wanted) {
  std::error_code error;
  switch (done.reason) {
    case stop_reason::complete:
    case stop_reason::end_of_file:
      return done.moved;
    case stop_reason::would_block:
      if (done.moved > 0 && done.remainder.empty()) return done.moved;
      error = errno_code(EAGAIN);
      break;
    case stop_reason::cancelled:
    case stop_reason::timed_out:  // is what timeout() makes of it, and that is above this
      error = errno_code(ECANCELED);
      break;
    case stop_reason::failed:
      error = done.error;
      break;
  }
  throw transfer_error(std::move(done), error, wanted);
}

/// How a call begins.
struct opening {
  detail::sent_at_once sent;
  bool ended;  // already
  refusal why;
};

opening open(mover& m, int in, int out, const foreknowledge& known) noexcept {
  std::optional<struct stat> about;
  const detail::sent_at_once sent = send_at_once(m, in, out, known, about);
  const bool ended = m.stopped() || (sent.nbytes > 0 && sent.nbytes == sent.wanted);
  const refusal why = ended ? refusal{} : resolve(m, in, out, known, about ? &*about : nullptr);
  // What was sent is of what was there then: a file that has shrunk since ends early.
  if (ended || sent.nbytes > 0) m.left = sent.wanted;
  if (known.batch != nullptr && m.out.never_waits) known.batch->add_ready(out);
  return {sent, ended, why};
}

/// All forms of the call. `*wanted`, if not null, becomes the number of bytes asked for.
task<transfer> carry(int in, int out, splice_options options, std::uint64_t* wanted,
                     foreknowledge known = {}, detail::onlooker* seen_by = nullptr) {
  mover m;
  m.asked = options;
  m.seen_by = seen_by;
  m.env = co_await detail::this_environment{};
  co_await detail::breather(*m.env.where);
  const opening begun = open(m, in, out, known);
  const detail::sent_at_once& sent = begun.sent;
  const refusal& why = begun.why;
  if (wanted != nullptr) *wanted = why.error ? options.nbytes : m.left;
  begin_progress(options.progress, why.error ? 0 : m.left);
  if (sent.nbytes > 0) {
    m.took(sent.nbytes);
    m.gave(sent.nbytes, sent.how);
  }
  if (begun.ended) co_return std::move(m.done);
  if (why.error && sent.nbytes == 0) {
    refuse(m, why);
  } else if (why.error) {
    m.done.reason = stop_reason::end_of_file;
    if (why.error != std::errc::value_too_large) m.stop(why.error, why.where);
    m.push_tail();
  } else {
    try {
      task<outcome> moving = begin(m);
      while (moving) {
        const outcome left_off = co_await std::move(moving);
        moving = go_on(m, left_off);
      }
    } catch (const std::bad_alloc&) {
      m.stop(errno_code(ENOMEM), side::zc);
    }
    finish(m);
  }
  co_return std::move(m.done);
}

task<std::uint64_t> carry_or_throw(int in, int out, splice_options options, foreknowledge known) {
  std::uint64_t wanted = 0;
  transfer done = co_await carry(in, out, options, &wanted, known);
  co_return moved_or_throw(std::move(done), wanted);
}

/// The checks for bytes that come from memory.
refusal resolve_delivery(mover& m, int out) noexcept {
  if (!known_flags(m.asked.flags)) return {errno_code(EINVAL), side::none};
  const bool from_memory = m.asked.offset == 0 && m.asked.nbytes == to_end &&
                           (m.asked.route == route::automatic || m.asked.route == route::copy);
  if (!from_memory) return {errno_code(EINVAL), side::in};
  const result<endpoint> target = detail::look_at(out, detail::direction::writing);
  if (!target) return {target.error(), side::out};
  m.out = *target;
  m.asked.route = route::copy;
  return resolve_target(m);
}

}  // namespace

task<transfer> try_splice(int in, int out, splice_options options) {
  return carry(in, out, options, nullptr);
}

task<transfer> detail::try_splice_in_batch(int in, int out, splice_options options,
                                           batch_memory& seen) {
  return carry(in, out, options, nullptr, {.batch = &seen});
}

task<transfer> detail::try_splice_seen(int in, int out, splice_options options, onlooker& seen_by) {
  return carry(in, out, options, nullptr, {}, &seen_by);
}

task<transfer> try_splice(const known_source& in, const known_target& out, splice_options options) {
  return carry(in.get(), out.get(), options, nullptr, foreknowledge::of(in, out));
}

task<std::uint64_t> splice(int in, int out, splice_options options) {
  return carry_or_throw(in, out, options, {});
}

task<std::uint64_t> splice(const known_source& in, const known_target& out,
                           splice_options options) {
  return carry_or_throw(in.get(), out.get(), options, foreknowledge::of(in, out));
}

task<transfer> try_splice(remainder from, int out, splice_options options) {
  mover m;
  m.asked = options;
  m.env = co_await detail::this_environment{};
  m.staged = std::move(from);
  m.done.taken = m.staged.size();
  const refusal why = resolve_delivery(m, out);
  begin_progress(options.progress, why.error ? 0 : m.staged.size());
  if (why.error) {
    refuse(m, why);
    m.done.remainder = std::move(m.staged);
  } else {
    try {
      co_await copy(m, true);
    } catch (const std::bad_alloc&) {
      m.stop(errno_code(ENOMEM), side::zc);
    }
    finish(m);
  }
  co_return std::move(m.done);
}

task<std::uint64_t> splice(remainder from, int out, splice_options options) {
  const std::uint64_t wanted = from.size();
  transfer done = co_await try_splice(std::move(from), out, options);
  co_return moved_or_throw(std::move(done), wanted);
}

}  // namespace zc
