#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>

#include "zc/detail/awaitable.hpp"
#include "zc/detail/cancel.hpp"
#include "zc/detail/export.hpp"
#include "zc/detail/kept_call.hpp"
#include "zc/detail/promise.hpp"
#include "zc/task.hpp"

namespace zc {

namespace detail {
class loop;
}

/// A nursery: tasks spawned in it run beside the coroutine that owns it, and none outlives it.
///
/// When a task throws, the others are cancelled, and join() rethrows the first exception. Make it
/// inside a task; not thread-safe. It ends before its context does, on the context's thread, and
/// not in one of its own tasks, which it would await for ever: where it does, or another thread
/// cancels it, with tasks that have not ended, the program ends with a sentence on stderr.
class ZC_API scope final : private detail::joiner {
 public:
  /// The context is that of the coroutine that calls spawn().
  scope() noexcept = default;
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;

  /// Cancels the tasks that have not ended and runs them, and nothing else, until they have: one
  /// that goes on for ever although its awaits say ECANCELED holds up the rest of the context.
  /// Their exceptions are dropped: join() is how to hear of them.
  ~scope();

  /// Starts `work`, a task or whatever else can be awaited, the next time round the loop. Its value
  /// is dropped: into() keeps it. The bytes of what it throws beside another's exception are not:
  /// see left_behind. Throws std::logic_error outside of a running context, and in another one than
  /// that of the tasks that have not ended.
  template <detail::awaitable Work>
  void spawn(Work&& work) {
    auto child = detail::to_task(std::forward<Work>(work));
    adopt(child.promise());
    child.release();
  }

  /// The same for what `work()` gives, called when it starts. The callable is moved or copied into
  /// the scope, and lives until the task has ended: so a lambda can be a coroutine and capture,
  /// which in `spawn([name]() -> zc::task<> { ... }())` is gone before it starts.
  template <detail::gives_awaitable Work>
  void spawn(Work&& work) {
    spawn(detail::kept_call<std::decay_t<Work>>(std::forward<Work>(work)));
  }

  /// Requests that every task in the scope, present or future, be cancelled. That they end with
  /// ECANCELED is then no news: join() does not rethrow it, unless it owns bytes (a transfer_error
  /// with a remainder, a left_behind); any other exception is preferred to it, and has those bytes.
  void cancel() noexcept;

  /// How many spawned tasks have not ended.
  std::size_t running() const noexcept { return running_; }

  /// Resumes when every spawned task has ended; rethrows the first exception among them. Cancelling
  /// the awaiting coroutine cancels the tasks. More can be spawned afterwards; in a scope that has
  /// been cancelled they are cancelled from the start. One coroutine at a time, of the tasks'
  /// context, or it throws std::logic_error.
  [[nodiscard]] auto join() noexcept { return join_awaiter(*this); }

 private:
  friend class detail::loop;

  class join_awaiter {
   public:
    explicit join_awaiter(scope& of) noexcept : of_(of) {}
    /// What is to be thrown belongs to the one that joined first, and may not have resumed yet.
    bool await_ready() const noexcept { return of_.running_ == 0 && of_.parent_ == nullptr; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> parent) {
      of_.wait(parent.promise());
    }
    void await_resume() { of_.joined(); }

   private:
    scope& of_;
  };

  /// The context's own: it sees to the thread.
  explicit scope(detail::scheduler& where) noexcept : where_(&where), of_context_(true) {}

  void adopt(detail::promise_base& work);
  void wait(detail::resumable& parent);
  void joined();
  std::coroutine_handle<> child_done(detail::promise_base& child) noexcept override;

  detail::scheduler* where_ = nullptr;  // while there are tasks
  detail::resumable* parent_ = nullptr;
  std::size_t running_ = 0;
  std::exception_ptr error_;
  bool of_context_ = false;
  bool cancelled_by_owner_ = false;
  detail::cancel_scope cancel_;
};

}  // namespace zc
