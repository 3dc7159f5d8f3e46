#include "zc/detail/multishot.hpp"

#include "core/here.hpp"
#include "engine/loop.hpp"
#include "zc/detail/precondition.hpp"

namespace zc::detail {

bool multishot::wait::start(resumable& waiter) noexcept {
  const environment& env = waiter.env;
  require_here(env.where);
  resumed_ = false;  // each may be awaited again
  cancelled_ = false;
  if (env.cancel->requested()) {
    env.cancel->observe();
    cancelled_ = true;
    env.where->post(waiter);
    return true;
  }
  if (on_.waiting_ != nullptr) {
    precondition_broken("zc: a second coroutine waits in next() of an acceptor or recv_stream");
  }
  if (on_.unfinished() && on_.where_ != env.where) {
    precondition_broken("zc: an acceptor or recv_stream of another context is waited for");
  }
  if (on_.has_some()) return false;
  waiter_ = &waiter;
  on_.waiting_ = this;
  on_.where_ = env.where;
  enter(*env.cancel);
  on_.arm();
  return true;
}

bool multishot::wait::end() noexcept {
  leave();
  if (on_.waiting_ == this) on_.waiting_ = nullptr;
  return !cancelled_;
}

void multishot::wait::cancel() noexcept {
  cancelled_ = true;
  scope()->observe();
  resume();
  on_.waiting_ = nullptr;
  on_.forsaken();
}

// It stays in its scope until it runs: one that is cancelled meanwhile leaves what has arrived.
void multishot::wait::resume() noexcept {
  if (resumed_) return;
  resumed_ = true;
  waiter_->env.where->post(*waiter_);
}

void multishot::arm() noexcept {
  if (unfinished()) return;
  cancel_wanted_ = false;
  loop::of(*where_).count_armed(1);
  loop::of(*where_).ops().submit(*this);
}

void multishot::withdraw() noexcept {
  loop::of(*where_).count_armed(-1);
  loop::of(*where_).ops().withdraw(*this);
}

void multishot::ended() noexcept {
  loop::of(*where_).count_armed(-1);
  if (waiting_ != nullptr && !has_some()) arm();
}

void multishot::disarm() noexcept {
  if (stage_ == stage::queued) {
    withdraw();
  } else if (stage_ == stage::in_kernel) {
    loop::of(*where_).ops().cancel(*this);
  }
}

void multishot::stop() {
  if (!unfinished()) return;
  if (!where_->on_own_thread()) {
    precondition_broken(
        "zc: an acceptor or recv_stream destroyed on another thread than its context's");
  }
  if (stage_ == stage::queued) {
    withdraw();
  } else {
    loop::of(*where_).ops().abandon(*this);
  }
}

}  // namespace zc::detail
