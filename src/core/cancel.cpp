#include "zc/detail/cancel.hpp"

#include <system_error>

#include "zc/detail/scheduler.hpp"

namespace zc::detail {

bool is_cancellation(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const std::system_error& thrown) {
    return thrown.code() == std::errc::operation_canceled;
  } catch (...) {
    return false;
  }
}

cancel_scope::~cancel_scope() {
  scheduler::leave_scope(*this);
  while (first_ != nullptr) first_->leave();
}

void cancel_scope::go_below(cancel_scope* parent) noexcept {
  if (parent == nullptr) return;
  enter(*parent);
  if (parent->requested()) request();
}

void cancel_scope::request() noexcept {
  if (requested_) return;
  requested_ = true;
  // cancel() may take its own entry off the list, never another's.
  for (cancellable *at = first_, *next = nullptr; at != nullptr; at = next) {
    next = at->after_;
    at->cancel();
  }
}

void cancel_scope::observe() noexcept {
  for (cancel_scope* at = this; at != nullptr && at->requested_; at = at->scope()) {
    at->observed_ = true;
    if (at->muted_) return;
  }
}

bool cancel_scope::contains(const cancel_scope* inner) const noexcept {
  while (inner != nullptr && inner != this) inner = inner->scope();
  return inner == this;
}

}  // namespace zc::detail
