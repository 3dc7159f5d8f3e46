#pragma once

#include <cerrno>
#include <coroutine>
#include <system_error>
#include <utility>

#include "zc/detail/cancel.hpp"
#include "zc/detail/errno_code.hpp"
#include "zc/detail/scheduler.hpp"

namespace zc::detail {

class wait_list;

/// One coroutine's wait for something that another coroutine of its context gives. Awaitable; what
/// derives from it says what is waited for, and gives the result.
class waiter : public cancellable {
 public:
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) {
    return start(self.promise());
  }

  void cancel() noexcept override;

 protected:
  explicit waiter(wait_list& line) noexcept : line_(line) {}
  /// A copy waits for the same, and has not begun: timeout() and the like own what they await.
  waiter(const waiter& other) noexcept : waiter(other.line_) {}
  waiter& operator=(const waiter&) = delete;
  ~waiter();

  /// Takes what is waited for, if it is there and nobody is before this in the line.
  virtual bool take() = 0;

  /// Throws ECANCELED, on behalf of `call`, when the wait was cancelled.
  void finish(const char* call) const;

  /// Whether it was given what it waits for, and its coroutine has not run since.
  bool given() const noexcept { return given_; }
  void accepted() noexcept { given_ = false; }

 private:
  friend class wait_list;

  bool start(resumable& self);
  void end(std::error_code why) noexcept;

  wait_list& line_;
  waiter* before_ = nullptr;
  waiter* after_ = nullptr;
  resumable* self_ = nullptr;
  std::error_code error_;
  bool in_line_ = false;
  bool given_ = false;
};

/// Coroutines that wait in line, first come, first served. One context's thread; must outlive every
/// wait.
class wait_list {
 public:
  wait_list() noexcept = default;
  wait_list(const wait_list&) = delete;
  wait_list& operator=(const wait_list&) = delete;

  bool empty() const noexcept { return first_ == nullptr; }

  /// Who is first in line; null where nobody waits.
  waiter* front() const noexcept { return first_; }

  /// Ends the first one's wait: it has what it waits for.
  void give_first() noexcept {
    waiter& one = *first_;
    remove(one);
    one.given_ = true;
    one.end({});
  }

 private:
  friend class waiter;

  void push(waiter& one) noexcept {
    one.before_ = last_;
    one.after_ = nullptr;
    (last_ != nullptr ? last_->after_ : first_) = &one;
    last_ = &one;
    one.in_line_ = true;
  }
  void remove(waiter& one) noexcept {
    (one.before_ != nullptr ? one.before_->after_ : first_) = one.after_;
    (one.after_ != nullptr ? one.after_->before_ : last_) = one.before_;
    one.in_line_ = false;
  }

  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

inline waiter::~waiter() {
  if (in_line_) line_.remove(*this);
}

inline bool waiter::start(resumable& self) {
  self.env.where->require_here();
  self_ = &self;
  error_ = {};
  cancel_scope& scope = *self.env.cancel;
  if (scope.requested()) {
    error_ = errno_code(ECANCELED);
    self.env.where->post(self);  // round the loop once: nobody starves
    return true;
  }
  if (take()) return false;
  line_.push(*this);
  enter(scope);
  return true;
}

inline void waiter::cancel() noexcept {
  line_.remove(*this);
  end(errno_code(ECANCELED));
}

inline void waiter::end(std::error_code why) noexcept {
  error_ = why;
  leave();
  self_->env.where->post(*self_);
}

inline void waiter::finish(const char* call) const {
  if (!error_) return;
  self_->env.cancel->observe();
  throw std::system_error(error_, call);
}

}  // namespace zc::detail
