#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "zc/detail/export.hpp"
#include "zc/detail/scheduler.hpp"

namespace zc::detail {

class promise_base;

/// Waits for several coroutines at once; told as each one finishes.
class ZC_API joiner {
 public:
  /// Returns what to resume next, or the no-op handle. `child` is at its final suspend point.
  virtual std::coroutine_handle<> child_done(promise_base& child) noexcept = 0;

 protected:
  ~joiner() = default;
};

/// The part of a task's promise that does not depend on its value.
class ZC_API promise_base : public resumable {
 public:
  promise_base() noexcept = default;
  promise_base(const promise_base&) = delete;
  promise_base& operator=(const promise_base&) = delete;
  ~promise_base() {
    if (posted) env.where->forget(*this);
  }

  static void* operator new(std::size_t size) { return scheduler::new_frame(size); }
  static void operator delete(void* frame, std::size_t size) noexcept {
    scheduler::delete_frame(frame, size);
  }

  struct final_awaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      return self.promise().finished();
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  final_awaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { error_ = std::current_exception(); }

  std::exception_ptr error() const noexcept { return error_; }
  /// As if the coroutine had thrown this when it ends, which it is to do next.
  void end_with(std::exception_ptr error) noexcept { error_ = std::move(error); }

  /// Starts this coroutine on behalf of `waiter`, which its end resumes. False when it has already
  /// ended: then `waiter` goes on by itself. So a million synchronous ends in a row leave the stack
  /// as it was, whatever the compiler makes of symmetric transfer.
  bool start_for(resumable& waiter);

  /// Starts this coroutine as one of a joiner's.
  void start_in(environment where, joiner& parent);

  /// As start_in(), but from the ready queue.
  void post_in(environment where, joiner& parent) noexcept;

 protected:
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  /// Ends the program, with a sentence, where it has begun before.
  void begin(const environment& where) noexcept;
  std::coroutine_handle<> finished() noexcept;

  std::exception_ptr error_;
  resumable* waiter_ = nullptr;
  joiner* joiner_ = nullptr;
  bool starting_ = false;
};

template <class T>
class promise_value : public promise_base {
 public:
  template <class U = T>  // the default is for braces: co_return {}
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T take() {
    rethrow();
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class promise_value<void> : public promise_base {
 public:
  void return_void() const noexcept {}
  void take() const { rethrow(); }
};

/// `co_await end_with(error); co_return;` in a task<>: it ends as if it had thrown, at a fraction
/// of the cost where nobody looks at that.
class end_with {
 public:
  explicit end_with(std::exception_ptr error) noexcept : error_(std::move(error)) {}
  bool await_ready() const noexcept { return false; }
  template <class Promise>
    requires std::is_base_of_v<promise_value<void>, Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
    self.promise().end_with(std::move(error_));
    return false;
  }
  void await_resume() const noexcept {}

 private:
  std::exception_ptr error_;
};

/// `co_await this_environment{}`: where the awaiting coroutine runs. Does not suspend.
struct this_environment {
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
    env = self.promise().env;
    return false;
  }
  environment await_resume() const noexcept { return env; }

  environment env{};
};

}  // namespace zc::detail
