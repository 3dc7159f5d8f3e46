#include "zc/scope.hpp"

#include <cassert>
#include <stdexcept>

namespace zc {

scope::~scope() {
  if (running_ == 0) return;
  cancel_.request();
  where_->drain(cancel_, running_);
}

void scope::adopt(detail::promise_base& work) {
  if (where_ == nullptr) where_ = detail::scheduler::current();
  if (where_ == nullptr) {
    throw std::logic_error("zc::scope::spawn: no context is running on this thread");
  }
  // join() was about to resume: it waits for this one too.
  if (running_++ == 0 && parent_ != nullptr) where_->forget(*parent_);
  work.post_in({where_, &cancel_}, *this);
}

void scope::wait(detail::resumable& parent) noexcept {
  assert(parent_ == nullptr && "one coroutine joins a scope at a time");
  parent_ = &parent;
  cancel_.go_below(parent.env.cancel);
}

void scope::joined() {
  parent_ = nullptr;
  cancel_.leave();
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

std::coroutine_handle<> scope::child_done(detail::promise_base& child) noexcept {
  if (child.error() && !(cancelled_by_owner_ && detail::is_cancellation(child.error()))) {
    if (!error_) error_ = child.error();
    cancel_.request();
  }
  where_->retire(child);
  // Posted, not resumed from here: the child's frame must be idle when it is destroyed.
  if (--running_ == 0 && parent_ != nullptr) where_->post(*parent_);
  return std::noop_coroutine();
}

}  // namespace zc
