#include "zc/splice.hpp"

#include <new>
#include <utility>

#include "transfer/checks.hpp"
#include "transfer/ends.hpp"
#include "transfer/file_to_file.hpp"
#include "transfer/pump.hpp"
#include "zc/detail/errno_code.hpp"
#include "zc/detail/turn_share.hpp"
#include "zc/op/poll.hpp"

namespace zc {

namespace {

using detail::errno_code;
using detail::pump;
using detail::refusal;
using detail::step;
using detail::transfer_service;

void begin_progress(progress* seen, std::uint64_t total) noexcept {
  if (seen == nullptr) return;
  seen->moved.store(0, std::memory_order_relaxed);
  seen->total.store(total, std::memory_order_relaxed);
}

/// False where the call is refused: then it has ended.
bool begin(pump& call, const refusal& why, std::uint64_t wanted) noexcept {
  begin_progress(call.asked.progress, why.error != 0 ? 0 : wanted);
  if (why.error == 0) return true;
  call.done.route = call.asked.route;
  call.done.reason = stop_reason::failed;
  call.done.error = errno_code(why.error);
  call.done.side = why.where;
  return false;
}

/// Looks at both ends, checks the call, and begins it.
bool begin(pump& call, const detail::ends& between) noexcept {
  transfer_service& shared = call.shared();
  if (between.known_in != nullptr && between.known_out != nullptr) {
    return begin(call, check(call, *between.known_in, *between.known_out), call.in.left);
  }
  const refusal why = check(call, between.source(shared), between.target(shared));
  return begin(call, why, call.in.left);
}

/// Throws what a throwing call makes of a transfer that has ended early; but not where it is to
/// resume with what has moved.
void throw_error(transfer&& done, std::uint64_t wanted) {
  std::error_code error;
  switch (done.reason) {
    case stop_reason::complete:
    case stop_reason::end_of_file:
      return;
    case stop_reason::would_block:
      if (done.moved > 0 && done.remainder.empty()) return;
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

// The two forms of each call: what they resume with.
struct transfer_or_error {
  using result = transfer;
  transfer operator()(pump& call, std::uint64_t) const { return std::move(call.done); }
};
struct bytes_or_exception {
  using result = std::uint64_t;
  std::uint64_t operator()(pump& call, std::uint64_t wanted) const {
    const std::uint64_t moved = call.done.moved;
    if (call.done.reason != stop_reason::complete) throw_error(std::move(call.done), wanted);
    return moved;
  }
};

/// All forms of the call with two descriptors.
template <class Form>
task<typename Form::result> carry(detail::ends between, splice_options options, Form form,
                                  detail::observer* seen_by = nullptr) {
  pump call(options, co_await detail::this_environment{});
  call.seen_by = seen_by;
  co_await detail::turn_share(*call.env.where, call.cancelled());
  call.in.left = options.nbytes;
  const bool begun = begin(call, between);
  const std::uint64_t wanted = call.in.left;
  if (begun) {
    try {
      if (suits_file_to_file(call)) co_await file_to_file(call);
      call.start();
      step next = call.advance();
      // As in run(): a frame of its own would be a part of what an idle transfer costs.
      while (next.what != step::kind::end) {
        if (next.what == step::kind::poll) {
          const auto events = static_cast<unsigned>(next.events);
          next = call.polled(next.of, co_await op::poll(next.fd, events));
        } else if (next.what == step::kind::again) {
          next = call.advance();
        } else {
          next = co_await see_to(call, next.what);
        }
      }
    } catch (const std::bad_alloc&) {
      call.stop(errno_code(ENOMEM), side::zc);
    }
    call.finish();
  }
  co_return form(call, wanted);
}

/// Of the call with bytes that were taken before.
template <class Form>
task<typename Form::result> deliver(remainder from, int out, splice_options options, Form form) {
  pump call(options, co_await detail::this_environment{});
  co_await detail::turn_share(*call.env.where, call.cancelled());
  const std::uint64_t wanted = from.size();
  const result<detail::endpoint> target = detail::ends{-1, out}.target(call.shared());
  call.done.taken = wanted;
  if (begin(call, check_delivery(call, target, wanted), wanted)) {
    options.route = route::copy;
    call.start_with(std::move(from));
    const step next = call.advance();
    if (next.what != step::kind::end) co_await move_rest(call, next);
    call.finish();
  } else {
    call.done.remainder = std::move(from);
  }
  co_return form(call, wanted);
}

}  // namespace

task<transfer> try_splice(int in, int out, splice_options options) {
  return carry({in, out}, options, transfer_or_error());
}

task<transfer> try_splice(const known_source& in, const known_target& out, splice_options options) {
  return carry(detail::ends(in, out), options, transfer_or_error());
}

task<transfer> detail::try_splice_between(ends between, splice_options options, observer* seen_by) {
  return carry(between, options, transfer_or_error(), seen_by);
}

task<std::uint64_t> splice(int in, int out, splice_options options) {
  return carry({in, out}, options, bytes_or_exception());
}

task<std::uint64_t> splice(const known_source& in, const known_target& out,
                           splice_options options) {
  return carry(detail::ends(in, out), options, bytes_or_exception());
}

task<transfer> try_splice(remainder from, int out, splice_options options) {
  return deliver(std::move(from), out, options, transfer_or_error());
}

task<std::uint64_t> splice(remainder from, int out, splice_options options) {
  return deliver(std::move(from), out, options, bytes_or_exception());
}

}  // namespace zc
