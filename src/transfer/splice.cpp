#include "zc/splice.hpp"

#include <new>
#include <optional>
#include <utility>

#include "transfer/checks.hpp"
#include "transfer/file_to_file.hpp"
#include "transfer/mover.hpp"

namespace zc {

namespace {

using detail::errno_code;
using detail::foreknowledge;
using detail::mover;
using detail::outcome;
using detail::refusal;

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
  if (m.asked.route == route::copy || !m.out.takes_splices()) return true;
  return !m.forced() && (m.in.messages || !m.out.known_room);
}

/// Goes on where the last way of moving has left off; empty at the end. Not in a coroutine of its
/// own: its frame would be a part of what an idle transfer costs.
task<outcome> go_on(mover& m, outcome next) {
  switch (next) {
    case outcome::light:
      return bounce(m);
    case outcome::heavy:
      return m.in.is_pipe() || m.out.is_pipe() ? hop(m) : through_pipe(m);
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
  const refusal why = ended ? refusal{} : check(m, in, out, known, about ? &*about : nullptr);
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
  m.shared();  // made now, if it is not there: from here on nothing may throw
  co_await detail::breather(*m.env.where, m.cancelled());
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
  m.shared();
  co_await detail::breather(*m.env.where, m.cancelled());
  m.staged = std::move(from);
  m.done.taken = m.staged.size();
  const refusal why = check_delivery(m, out);
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
