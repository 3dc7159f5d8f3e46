#include <cerrno>
#include <chrono>
#include <new>
#include <utility>

#include "core/timers.hpp"
#include "transfer/file_to_file.hpp"
#include "transfer/pump.hpp"
#include "zc/detail/errno_code.hpp"
#include "zc/detail/turn_share.hpp"
#include "zc/op/poll.hpp"

// The coroutines that see to what a pump waits for.

namespace zc::detail {

namespace {

constexpr std::chrono::milliseconds fruitless_pause(1);

// In frames that are there only as long as that takes. An idle transfer waits for a descriptor, in
// the frame of its call or in run_by()'s.

task<step> make_pending_move(pump& one) {
  task<result<std::size_t>> moving = by_engine(one.pending());
  one.begun();
  co_return one.moved(co_await std::move(moving));
}

task<step> pause(pump& one) { co_return one.paused(co_await timer(fruitless_pause)); }

task<step> wait_for_turn(pump& one) {
  co_await turn_share(*one.env.where);
  co_return step();
}

}  // namespace

task<step> see_to(pump& one, step::kind what) {
  switch (what) {
    case step::kind::move:
      return make_pending_move(one);
    case step::kind::pause:
      return pause(one);
    default:
      return wait_for_turn(one);
  }
}

namespace {

/// `Go` is what the pump does when it can go on.
template <step (pump::*Go)() noexcept>
task<> run_by(pump& one, step next) {
  while (next.what != step::kind::end) {
    if (next.what == step::kind::poll) {
      const auto events = static_cast<unsigned>(next.events);
      next = one.polled(next.of, co_await op::poll(next.fd, events));
    } else if (next.what == step::kind::again) {
      next = (one.*Go)();
    } else {
      next = co_await see_to(one, next.what);
    }
  }
}

}  // namespace

task<> run(pump& one, step next) { return run_by<&pump::advance>(one, next); }

task<> run_to_piece(pump& one) { return run_by<&pump::take_piece>(one, {}); }

step begin_to_move(pump& one) noexcept {
  if (suits_file_to_file(one)) return {};
  one.start();
  return one.advance();
}

task<> move_rest(pump& one, step next) {
  try {
    if (next.what == step::kind::again) {
      co_await file_to_file(one);
      one.start();
      next = one.advance();
    }
    if (next.what != step::kind::end) co_await run(one, next);
  } catch (const std::bad_alloc&) {
    one.stop(errno_code(ENOMEM), side::zc);
  }
}

}  // namespace zc::detail
