#pragma once

#include <coroutine>
#include <type_traits>
#include <utility>

#include "zc/detail/precondition.hpp"
#include "zc/detail/promise.hpp"

namespace zc {

/// A coroutine that will produce a `T`, or throw.
///
/// Lazy: it starts when it is awaited (or given to run(), when_all(), scope::spawn(), ...), and is
/// awaited once: `co_await f()` or `co_await std::move(named)`. Move-only. It runs on the context
/// of the coroutine that awaits it, on that context's thread, and is cancelled with it. A reference
/// parameter of a coroutine must live until the task completes.
///
/// Using an empty or moved-from task, or starting one a second time, ends the program with a
/// sentence on stderr; so does an awaitable that is not zc's and that resumes one outside of its
/// context's run, on another thread say.
template <class T = void>
class [[nodiscard]] task {
  static_assert(!std::is_reference_v<T>, "a task's value is an object: return a pointer instead");

 public:
  class promise_type : public detail::promise_value<T> {
   public:
    task get_return_object() noexcept {
      const auto self = std::coroutine_handle<promise_type>::from_promise(*this);
      this->handle = self;
      return task(self);
    }
  };

  using value_type = T;

  task() noexcept = default;
  task(task&& other) noexcept : self_(std::exchange(other.self_, nullptr)) {}
  task& operator=(task other) noexcept {
    std::swap(self_, other.self_);
    return *this;
  }
  ~task() {
    if (self_) self_.destroy();
  }

  explicit operator bool() const noexcept { return static_cast<bool>(self_); }

  auto operator co_await() && noexcept { return awaiter(there()); }

  /// For the coroutine kit: the promise, and the value of a task that has ended.
  detail::promise_base& promise() const noexcept { return there().promise(); }
  T take() { return there().promise().take(); }

  /// For the coroutine kit: gives up the frame, which retire() will destroy.
  detail::promise_base& release() noexcept {
    detail::promise_base& given_up = promise();
    self_ = nullptr;
    return given_up;
  }

 private:
  class awaiter {
   public:
    explicit awaiter(std::coroutine_handle<promise_type> child) noexcept : child_(child) {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> parent) {
      return child_.promise().start_for(parent.promise());
    }
    T await_resume() { return child_.promise().take(); }

   private:
    std::coroutine_handle<promise_type> child_;
  };

  explicit task(std::coroutine_handle<promise_type> self) noexcept : self_(self) {}

  std::coroutine_handle<promise_type> there() const noexcept {
    if (!self_) [[unlikely]]
      detail::precondition_broken("zc::task: an empty or moved-from task was used");
    return self_;
  }

  std::coroutine_handle<promise_type> self_;
};

}  // namespace zc
