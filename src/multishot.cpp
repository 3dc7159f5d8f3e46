#include "zc/detail/multishot.hpp"

#include <cassert>

#include "loop.hpp"

namespace zc::detail {

bool multishot::wait::start(resumable& waiter) noexcept {
  const environment& env = waiter.env;
  resumed_ = false;  // each may be awaited again
  cancelled_ = false;
  if (env.cancel->requested()) {
    env.cancel->observe();
    cancelled_ = true;
    env.where->post(waiter);
    return true;
  }
  if (on_.has_some()) return false;
  assert(on_.waiting_ == nullptr && "one coroutine waits at a time");
  assert((on_.where_ == nullptr || on_.where_ == env.where) && "it belongs to one context");
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
  loop::of(*where_).ops().submit(*this);
}

void multishot::ended() noexcept {
  if (waiting_ != nullptr && !has_some()) arm();
}

void multishot::disarm() noexcept {
  if (stage_ == stage::queued) {
    loop::of(*where_).ops().withdraw(*this);
  } else if (stage_ == stage::in_kernel) {
    loop::of(*where_).ops().cancel(*this);
  }
}

void multishot::stop() {
  if (unfinished()) loop::of(*where_).ops().abandon(*this);
}

}  // namespace zc::detail
