#include "zc/detail/promise.hpp"

namespace zc::detail {

bool promise_base::start_for(resumable& waiter) {
  env = waiter.env;
  waiter_ = &waiter;
  starting_ = true;
  if (!env.where->start_nested(handle)) {
    env.where->post(*this);
    starting_ = false;
    return true;
  }
  starting_ = false;
  return !handle.done();
}

void promise_base::start_in(environment where, joiner& parent) {
  env = where;
  joiner_ = &parent;
  if (!env.where->start_nested(handle)) env.where->post(*this);
}

void promise_base::post_in(environment where, joiner& parent) noexcept {
  env = where;
  joiner_ = &parent;
  env.where->post(*this);
}

std::coroutine_handle<> promise_base::finished() noexcept {
  if (starting_) return std::noop_coroutine();
  if (joiner_ != nullptr) return joiner_->child_done(*this);
  return env.where->hop_to(*waiter_);
}

}  // namespace zc::detail
