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

/// `Go` is what the pump does when it can go on.
template <step (pump::*Go)() noexcept>
task<> run_by(pump& one, step next) {
  while (next.what != step::kind::end) {
    switch (next.what) {
      case step::kind::end:
      case step::kind::again:
        next = (one.*Go)();
        break;
      case step::kind::turn:
        co_await turn_share(*one.env.where);
        next = (one.*Go)();
        break;
      case step::kind::poll: {
        const result<unsigned> events =
            co_await op::poll(next.fd, static_cast<unsigned>(next.events));
        next = one.polled(next.of, events);
        break;
      }
      case step::kind::move: {
        task<result<std::size_t>> moving = by_engine(one.pending());
        one.begun();
        next = one.moved(co_await std::move(moving));
        break;
      }
      case step::kind::pause:
        next = one.paused(co_await timer(fruitless_pause));
        break;
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
