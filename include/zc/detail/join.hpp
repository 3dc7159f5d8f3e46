#pragma once

#include <coroutine>
#include <cstddef>
#include <utility>

#include "zc/detail/cancel.hpp"
#include "zc/detail/export.hpp"
#include "zc/detail/promise.hpp"

namespace zc::detail {

/// Awaits a set of tasks that are started together: the base of when_all, when_any and timeout.
///
/// start_children() starts each of them with start(); the awaiting coroutine resumes when all have
/// ended. Override one_done() to act on each end.
class ZC_API join : public joiner {
 public:
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> parent) {
    parent_ = &parent.promise();
    start_children();
    if (--left_ > 0) return true;
    // In a cancelled task, as with an op: whatever else is ready goes first.
    if (!parent_->env.cancel->requested()) return false;
    parent_->env.where->post(*parent_);
    return true;
  }
  void await_resume() const noexcept {}

  std::coroutine_handle<> child_done(promise_base& child) noexcept final {
    one_done(child);
    if (--left_ > 0) return std::noop_coroutine();
    return parent_->env.where->hop_to(*parent_);
  }

 protected:
  join() noexcept = default;
  ~join() = default;

  virtual void start_children() = 0;
  virtual void one_done(promise_base& /*child*/) noexcept {}

  /// Starts one child, below `scope` where one is given.
  void start(promise_base& child, cancel_scope* scope = nullptr) {
    ++left_;
    child.start_in({parent_->env.where, scope != nullptr ? scope : parent_->env.cancel}, *this);
  }

 private:
  resumable* parent_ = nullptr;
  std::size_t left_ = 1;  // one for start_children() itself
};

/// `co_await run_below(scope, task)`: awaits one task under a cancel scope of its own.
template <class Task>
class run_below final : public join {
 public:
  run_below(cancel_scope& scope, Task work) noexcept : scope_(scope), work_(std::move(work)) {}

  auto await_resume() { return work_.take(); }

 private:
  void start_children() override { start(work_.promise(), &scope_); }

  cancel_scope& scope_;
  Task work_;
};

}  // namespace zc::detail
