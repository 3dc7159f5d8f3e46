#include "zc/scope.hpp"

#include <stdexcept>

#include "core/here.hpp"
#include "zc/detail/keep_first.hpp"
#include "zc/detail/precondition.hpp"

namespace zc {

scope::~scope() {
  if (running_ == 0) return;
  if (!where_->on_own_thread()) {
    detail::precondition_broken(
        "zc::scope: destroyed on another thread than its context's, with tasks that have not "
        "ended");
  }
  if (detail::scheduler::has_on_stack(cancel_)) {
    detail::precondition_broken(
        "zc::scope: destroyed by one of its own tasks, which it would await for ever");
  }
  cancel_.request();
  where_->drain(cancel_, running_);
}

void scope::cancel() noexcept {
  if (running_ > 0 && !where_->on_own_thread()) {
    detail::precondition_broken(
        "zc::scope::cancel: called on another thread than that of the scope's context");
  }
  cancelled_by_owner_ = true;
  cancel_.request();
}

void scope::adopt(detail::promise_base& work) {
  if (!of_context_) {
    detail::scheduler* const here = detail::scheduler::current();
    if (here == nullptr) {
      throw std::logic_error("zc::scope::spawn: no context is running on this thread");
    }
    // Without tasks it is nobody's.
    if (running_ == 0 && parent_ == nullptr) where_ = here;
    if (where_ != here) {
      throw std::logic_error("zc::scope::spawn: the scope has tasks in another context");
    }
  }
  // join() was about to resume: it waits for this one too.
  if (running_++ == 0 && parent_ != nullptr) where_->forget(*parent_);
  where_->count_spawned();
  work.post_in({where_, &cancel_}, *this);
}

void scope::wait(detail::resumable& parent) {
  detail::require_here(parent.env.where);
  if (parent_ != nullptr) {
    throw std::logic_error("zc::scope::join: another coroutine joins this scope already");
  }
  if (where_ != parent.env.where) {
    throw std::logic_error("zc::scope::join: the scope's tasks are in another context");
  }
  parent_ = &parent;
  cancel_.go_below(parent.env.cancel);
}

void scope::joined() {
  parent_ = nullptr;
  cancel_.leave();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

std::coroutine_handle<> scope::child_done(detail::promise_base& child) noexcept {
  if (child.error()) detail::keep_first(error_, child.error(), cancelled_by_owner_);
  if (error_) cancel_.request();
  where_->retire(child);
  where_->count_ended();
  // Posted, not resumed from here: the child's frame must be idle when it is destroyed.
  if (--running_ == 0 && parent_ != nullptr) where_->post(*parent_);
  return std::noop_coroutine();
}

}  // namespace zc
