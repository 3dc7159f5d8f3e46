#pragma once

#include <coroutine>

#include "zc/detail/cancel.hpp"
#include "zc/detail/scheduler.hpp"

namespace zc::detail {

/// `co_await turn_share(where)`, once before each attempt to move: goes round the loop when the
/// transfers of this turn have had their share. So neither a flood of bytes nor one of jobs that
/// end at once holds up anybody.
class turn_share {
 public:
  explicit turn_share(scheduler& where, bool after_the_others = false) noexcept
      : where_(where), after_the_others_(after_the_others) {
    where_.count_attempt();
  }
  bool await_ready() const noexcept { return !after_the_others_ && !where_.turn_spent(); }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> self) const noexcept {
    resumable& who = self.promise();
    // One that is cancelled has nothing to move, and goes round once.
    if (who.env.cancel->requested()) {
      where_.post(who);
    } else {
      where_.post_behind(who);
    }
  }
  void await_resume() const noexcept {}

 private:
  scheduler& where_;
  bool after_the_others_;  // whatever is ready goes first in any case
};

}  // namespace zc::detail
