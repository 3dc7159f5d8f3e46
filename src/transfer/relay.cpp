#include "zc/relay.hpp"

#include <vector>

#include "transfer/relaying.hpp"
#include "zc/detail/promise.hpp"
#include "zc/left_behind.hpp"

namespace zc {

void time_out(relay_result& done) noexcept {
  // One that was stopped because the other one failed stays cancelled.
  for (const transfer* each : {&done.a_to_b, &done.b_to_a}) {
    if (each->reason == stop_reason::failed) return;
  }
  time_out(done.a_to_b);
  time_out(done.b_to_a);
}

void give_bytes(relay_result& from, std::vector<transfer>& to) {
  give_bytes(from.a_to_b, to);
  give_bytes(from.b_to_a, to);
}

task<relay_result> relay(relay_end a, relay_end b, relay_options options) {
  detail::relaying both(co_await detail::this_environment{}, a, b, options);
  co_await both.breathe();
  if (!both.resolve()) co_return both.take();
  both.start();
  while (both.running()) co_await detail::relaying::wake_up(both);
  co_return both.take();
}

}  // namespace zc
