#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>

#include "zc/detail/cancel.hpp"
#include "zc/detail/promise.hpp"
#include "zc/detail/scheduler.hpp"

namespace zc::detail {

class off_threads;

/// What a call that runs on a thread of off_threads is told meanwhile. Thread-safe.
class off_thread_signals {
 public:
  /// True once the coroutine is cancelled, or its frame goes: the call is to end soon.
  bool cancel_wanted() const noexcept { return cancel_wanted_.load(std::memory_order_relaxed); }
  /// True while other calls wait for a thread: a call that works in pieces may let them in between.
  bool others_wait() const noexcept { return waiting_.load(std::memory_order_relaxed) > 0; }

 private:
  friend class off_thread_call;
  explicit off_thread_signals(const std::atomic<unsigned>& waiting) noexcept : waiting_(waiting) {}

  std::atomic<bool> cancel_wanted_{false};
  const std::atomic<unsigned>& waiting_;
};

/// A call on another thread, and the coroutine that waits for it: what off_thread has whatever its
/// callable is. A link in the queue, so that handing it over allocates nothing.
class off_thread_call : public cancellable, private remote_call {
 public:
  bool await_ready() const noexcept { return false; }
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> waiter) noexcept {
    if (!start(waiter.promise())) env_.where->post(waiter.promise());
  }
  std::error_code await_resume() const noexcept;

  void cancel() noexcept override;

 protected:
  explicit off_thread_call(off_threads& by) noexcept;
  ~off_thread_call() = default;

  /// Makes the call, on the other thread.
  virtual void make(const off_thread_signals& signals) noexcept = 0;

  /// Takes the call back, or awaits it. For the destructor of whoever owns what it uses.
  void abandon() noexcept;

 private:
  friend class off_threads;
  friend class fifo<off_thread_call>;
  enum class stage : std::uint8_t { queued, running, made };

  /// False when it has already ended.
  bool start(resumable& waiter) noexcept;
  void run() noexcept override;  // back on the context's thread
  void end(std::error_code why) noexcept;

  off_threads& by_;
  off_thread_signals signals_;
  off_thread_call* next = nullptr;  // guarded by by_.mutex_, as is stage_
  stage stage_ = stage::queued;
  resumable* waiter_ = nullptr;  // while it is pending
  environment env_;
  std::error_code error_;
};

/// `co_await off_thread(threads, callable)`: calls `callable(signals)` on one of `threads` and
/// resumes, on the context's thread, without an error; or with ECANCELED or EAGAIN (no thread to be
/// had), when it was not called.
///
/// For calls that may block and that the ring has no op for. Cancelled while it waits for a thread
/// it is taken back; once it runs it is awaited, also by the destructor: so a callable works in
/// pieces of some milliseconds and looks at its signals in between. What the callable refers to may
/// be the frame's: the coroutine does not run meanwhile.
template <class Callable>
class off_thread final : public off_thread_call {
  static_assert(std::is_nothrow_invocable_r_v<void, Callable&, const off_thread_signals&>,
                "nobody is there to catch what the callable would throw: make it noexcept");

 public:
  off_thread(off_threads& by, Callable callable) noexcept
      : off_thread_call(by), callable_(std::move(callable)) {}
  ~off_thread() { abandon(); }

 private:
  void make(const off_thread_signals& signals) noexcept override { callable_(signals); }

  Callable callable_;
};

/// The threads of one context for calls that may block: at most `limit()`, started when they are
/// needed, ended when idle for a while, joined by the destructor. All signals are blocked in them.
///
/// Used from the context's thread; no call may be pending when it goes.
class off_threads {
 public:
  static constexpr std::size_t most = 8;

  /// `name`, of at most 15 characters, is what tools show for the threads.
  off_threads(scheduler& home, const char* name, std::size_t limit) noexcept
      : home_(home), name_(name), limit_(limit) {}
  off_threads(const off_threads&) = delete;
  off_threads& operator=(const off_threads&) = delete;
  ~off_threads();

  std::size_t limit() const noexcept { return limit_; }

 private:
  friend class off_thread_call;
  struct worker {
    std::thread thread;
    bool ended = true;  // and perhaps still to be joined
  };

  /// False where there is no thread to make it.
  bool push(off_thread_call& call) noexcept;
  /// False where it is too late: the call runs, or has been made.
  bool take_back(off_thread_call& call) noexcept;
  void await_made(const off_thread_call& call) noexcept;

  bool start_worker() noexcept;
  void serve(worker& self) noexcept;
  off_thread_call* next_call(std::unique_lock<std::mutex>& lock) noexcept;

  scheduler& home_;
  const char* name_;
  std::size_t limit_;  // up to `most`
  std::mutex mutex_;   // guards what follows
  std::condition_variable called_;
  std::condition_variable made_;
  fifo<off_thread_call> queue_;
  std::atomic<unsigned> waiting_{0};  // in queue_; read without the mutex too
  unsigned idle_ = 0;                 // threads that wait for a call
  std::array<worker, most> workers_;
  bool stopping_ = false;
};

}  // namespace zc::detail
