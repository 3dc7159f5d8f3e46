#pragma once

#include <cassert>
#include <exception>

#include "zc/detail/cpp20.hpp"
#include "zc/detail/export.hpp"

namespace zc::detail {

/// True for an std::system_error ECANCELED.
ZC_API bool is_cancellation(const std::exception_ptr& error) noexcept;

class cancel_scope;

/// Something in flight that a cancel_scope can stop early: an op, or a scope below.
///
/// A link in its scope's list, so that entering and leaving a scope allocates nothing.
class ZC_API cancellable {
 public:
  cancellable() noexcept = default;
  cancellable(const cancellable&) = delete;
  cancellable& operator=(const cancellable&) = delete;

  /// Called once by the scope, on the context's thread. Must not resume a coroutine.
  virtual void cancel() noexcept = 0;

  /// Enters `scope`'s list. The caller looks at scope.requested() first.
  void enter(cancel_scope& scope) noexcept;
  void leave() noexcept {
    if (scope_ != nullptr) unlink();
  }
  cancel_scope* scope() const noexcept { return scope_; }

 protected:
  ~cancellable() { leave(); }

 private:
  friend class cancel_scope;
  void unlink() noexcept;

  cancel_scope* scope_ = nullptr;
  cancellable* before_ = nullptr;
  cancellable* after_ = nullptr;
};

/// One level of cancellation: a set of ops and of scopes below that are stopped together.
///
/// Cancellation is a level, not an edge: once requested, every op begun under the scope ends with
/// ECANCELED before it reaches the kernel. So a cancel that races a retry cannot be lost.
class ZC_API cancel_scope final : public cancellable {
 public:
  cancel_scope() noexcept = default;
  ~cancel_scope();

  /// Goes below `parent`: what cancels the parent cancels this scope too, at once if it already
  /// did. Does nothing for a null parent.
  void go_below(cancel_scope* parent) noexcept;

  bool requested() const noexcept { return requested_; }
  void request() noexcept;
  void cancel() noexcept override { request(); }

  /// True once an op under this scope has ended because of the request.
  bool observed() const noexcept { return observed_; }
  void observe() noexcept;

  /// From now on what ends here does not count as observed above: it would end in any case.
  void mute() noexcept { muted_ = true; }

  /// True for this scope itself and for every scope below it.
  bool contains(const cancel_scope* inner) const noexcept;

 private:
  friend class cancellable;
  cancellable* first_ = nullptr;
  cancellable* last_ = nullptr;
  bool requested_ = false;
  bool observed_ = false;
  bool muted_ = false;
};

inline void cancellable::enter(cancel_scope& scope) noexcept {
  assert(scope_ == nullptr);
  scope_ = &scope;
  // At the back: the kernel looks for an op to cancel from the oldest on.
  before_ = scope.last_;
  after_ = nullptr;
  (before_ != nullptr ? before_->after_ : scope.first_) = this;
  scope.last_ = this;
}

inline void cancellable::unlink() noexcept {
  (before_ != nullptr ? before_->after_ : scope_->first_) = after_;
  (after_ != nullptr ? after_->before_ : scope_->last_) = before_;
  scope_ = nullptr;
}

}  // namespace zc::detail
