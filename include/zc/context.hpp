#pragma once

#include <chrono>
#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

#include "zc/context_options.hpp"
#include "zc/counters.hpp"
#include "zc/detail/export.hpp"
#include "zc/detail/join.hpp"
#include "zc/detail/kept_call.hpp"
#include "zc/detail/scheduler.hpp"
#include "zc/left_behind.hpp"
#include "zc/scope.hpp"
#include "zc/task.hpp"

namespace zc {

namespace detail {

class loop;

template <class Callable>
task<> posted_call(Callable work) {
  if constexpr (gives_awaitable<Callable>) {
    static_cast<void>(co_await std::invoke(work));
  } else {
    static_cast<void>(std::invoke(work));
    co_return;
  }
}

}  // namespace detail

/// The loop: one io_uring and the thread that runs it.
///
/// Everything but stop() and post() belongs to one thread: the first that calls run() (construction
/// may be elsewhere). On another, run() and spawn() throw std::logic_error. While run() runs,
/// SIGPIPE and SIGXFSZ are blocked in that thread, so that a dead peer or a file-size limit is an
/// error code; a child forked meanwhile inherits that mask and may want to unblock them before it
/// executes another program. For what may block and io_uring has no op for, a context starts up to
/// two threads when first needed ("zc-files": from file to file); all signals are blocked in them,
/// they end when idle for some seconds, and with it. A pthread_cancel(3) acts after run() has
/// returned: to end that, stop(). A context does not survive fork(2): the child must not use it.
/// Needs Linux 6.1; see capabilities().
class ZC_API context final {
 public:
  /// Throws std::system_error when io_uring is not to be had; its text says why and what to do.
  explicit context(context_options options = {});
  context(const context&) = delete;
  context& operator=(const context&) = delete;

  /// Cancels the tasks that spawn() left unfinished and runs them to their end. With such tasks on
  /// another thread than the one that ran the context it ends the program, with a sentence on
  /// stderr; so it does inside of its own run(), and before a scope whose tasks have not ended.
  ~context();

  /// Runs `work` to its end and returns its value, or throws its exception. Other tasks of this
  /// context go on meanwhile, and stand still between runs. Not from inside a task of this context.
  template <class T>
  T run(task<T> work) {
    try {
      run_to_end(work.promise());
    } catch (...) {  // of a background task: bytes of this one are left_behind
      detail::first_error both;
      both.add(std::current_exception());
      if (work.promise().handle.done()) both.add(work);
      both.rethrow();
    }
    return work.take();
  }

  /// Starts `work` in the background: it makes progress during run(). Its value is dropped. Its
  /// exception cancels the other background tasks and the current or next run(), which throws it.
  /// As in scope::spawn(), `work` is a task, something else to await, or a callable that gives one,
  /// which is kept until that has ended. Throws std::logic_error on a wrong thread.
  template <class Work>
    requires detail::awaitable<Work> || detail::gives_awaitable<Work>
  void spawn(Work&& work) {
    background_scope().spawn(std::forward<Work>(work));
  }

  /// Has `work()` called on the context's thread, in the order of the calls: during the current
  /// run(), or the next. From any thread, as long as the context lives, but not from a signal
  /// handler. Where it gives a task, or something else to await, that is run too, as by spawn(); so
  /// are exceptions told. What has not begun at the context's end is cancelled or destroyed,
  /// uncalled.
  template <class Callable>
    requires std::invocable<std::decay_t<Callable>&>
  void post(Callable&& work) {
    post_task(detail::posted_call<std::decay_t<Callable>>(std::forward<Callable>(work)));
  }

  /// Cancels the task of the current run(). Where there is none, or it ends without an await that
  /// is told so (ECANCELED, stop_reason::cancelled), that of the next: no stop is lost, and none is
  /// heard in two runs. Several that come before one is heard are one. run() still returns only
  /// when its task has ended. From any thread or signal handler, whose errno it leaves alone, for
  /// as long as the context lives.
  void stop() noexcept;

  /// What its transfers have done so far. Throws std::logic_error while another thread runs it.
  zc::counters counters() const;

 private:
  friend class detail::loop;
  void run_to_end(detail::promise_base& work);
  scope& background_scope();
  void post_task(task<> work);

  std::unique_ptr<detail::loop> loop_;
};

/// Makes a context, runs `work` on it to its end and returns its value, or throws its exception.
template <class T>
T run(task<T> work, context_options options = {}) {
  context here(options);
  return here.run(std::move(work));
}

}  // namespace zc
