#pragma once

#include <chrono>
#include <coroutine>
#include <system_error>

#include "zc/detail/cancel.hpp"
#include "zc/detail/promise.hpp"

namespace zc::detail {

class timers;

/// `co_await timer(duration)`: resumes at least `duration` from now, without an error, or with
/// ECANCELED. Cannot fail otherwise, and costs the kernel nothing: see timers.
class timer : public cancellable {
 public:
  explicit timer(std::chrono::nanoseconds duration) noexcept : duration_(duration) {}
  ~timer();

  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> waiter) noexcept {
    if (!start(waiter.promise())) env_.where->post(waiter.promise());
  }
  std::error_code await_resume() const noexcept;

  void cancel() noexcept override;

 protected:
  /// False when it was cancelled before it began: then it resumes nobody.
  bool start(resumable& waiter) noexcept;

 private:
  friend class timers;
  void end(std::error_code why) noexcept;

  std::chrono::nanoseconds duration_;
  std::chrono::steady_clock::time_point at_;
  std::error_code error_;
  environment env_;
  resumable* waiter_ = nullptr;  // while it is pending
  timer* first_below_ = nullptr;
  timer* next_beside_ = nullptr;
  timer* before_ = nullptr;  // the one beside it, or the one above the first below
};

/// The timers of one context, soonest first. The loop sleeps no longer than until the first is due:
/// so a timer is no op, and to take one back is no cancel.
///
/// A pairing heap whose links go through the timers: adding one is O(1), taking one out O(log n)
/// amortised, and nothing is allocated.
class timers {
 public:
  void add(timer& one) noexcept { root_ = meld(root_, &one); }
  void remove(timer& one) noexcept;

  /// Ends those that are due.
  void expire() noexcept {
    if (root_ != nullptr) expire_due();
  }

  /// How long until the first is due, not below zero; the longest duration when there is none.
  std::chrono::nanoseconds until_next() const noexcept {
    return root_ == nullptr ? std::chrono::nanoseconds::max() : until_first();
  }

 private:
  void expire_due() noexcept;
  std::chrono::nanoseconds until_first() const noexcept;
  static timer* meld(timer* one, timer* other) noexcept;
  static timer* meld_all(timer* first) noexcept;

  timer* root_ = nullptr;
};

}  // namespace zc::detail
