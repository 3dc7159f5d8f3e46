#include "zc/detail/operation.hpp"

#include <stdexcept>

#include "core/here.hpp"
#include "engine/loop.hpp"

namespace zc::detail {

void operation::dispose() {
  if (unfinished()) loop::of(*where_).ops().abandon(*this);
  if (descriptor_ && stage_ == stage::done && raw_ >= 0) const fd untaken(raw_);
}

void operation::cancel() noexcept { loop::of(*where_).ops().cancel(*this); }

void operation::start(resumable& waiter) {
  if (unfinished()) throw std::logic_error("zc::op: awaited while it is in flight");
  const environment& env = waiter.env;
  require_here(env.where);
  cancel_wanted_ = false;  // of an earlier time
  if (cancellable_ && env.cancel->requested()) {
    env.cancel->observe();
    raw_ = -ECANCELED;
    env.where->post(waiter);
    return;
  }
  waiter_ = &waiter;
  where_ = env.where;
  enter(*env.cancel);
  loop::of(*env.where).ops().submit(*this);
}

}  // namespace zc::detail
