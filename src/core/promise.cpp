#include "zc/detail/promise.hpp"

#include "core/here.hpp"
#include "zc/detail/precondition.hpp"

namespace zc::detail {

inline void promise_base::begin(const environment& where) noexcept {
  if (env.where != nullptr) [[unlikely]]
    precondition_broken("zc::task: one that had been started was awaited or started again");
  env = where;
}

bool promise_base::start_for(resumable& waiter) {
  require_here(waiter.env.where);
  begin(waiter.env);
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
  begin(where);
  joiner_ = &parent;
  if (!env.where->start_nested(handle)) env.where->post(*this);
}

void promise_base::post_in(environment where, joiner& parent) noexcept {
  begin(where);
  joiner_ = &parent;
  env.where->post(*this);
}

std::coroutine_handle<> promise_base::finished() noexcept {
  require_here(env.where);
  if (starting_) return std::noop_coroutine();
  if (joiner_ != nullptr) return joiner_->child_done(*this);
  return env.where->hop_to(*waiter_);
}

}  // namespace zc::detail
