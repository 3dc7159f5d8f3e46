#pragma once

#include <coroutine>

#include "zc/detail/cancel.hpp"
#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"
#include "zc/detail/scheduler.hpp"

namespace zc::detail {

/// An op that may have several completions, and that outlives the coroutines that wait for them:
/// what has arrived stays until somebody takes it.
///
/// In no cancel scope: cancelling a coroutine that waits ends the wait, and not the op. One
/// coroutine waits at a time. Whatever derives from it calls stop() in its destructor.
class ZC_API multishot : public operation {
 protected:
  /// One coroutine's wait until something has arrived. Derived from for what it resumes with.
  class wait : private cancellable {
   public:
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiter) noexcept {
      return start(waiter.promise());
    }

   protected:
    explicit wait(multishot& on) noexcept : on_(on) {}
    wait(const wait& other) noexcept : wait(other.on_) {}
    wait& operator=(const wait&) = delete;
    ~wait() { end(); }

    /// Whether there is something to take, and not a cancelled wait.
    bool end() noexcept;

   private:
    friend class multishot;
    /// False where there is something to take already.
    bool start(resumable& waiter) noexcept;
    void cancel() noexcept override;
    void resume() noexcept;

    multishot& on_;
    resumable* waiter_ = nullptr;
    bool resumed_ = false;
    bool cancelled_ = false;
  };

  multishot() noexcept { has_several_completions(); }

  /// Takes one completion: the result, and the flags of its cqe. In the order in which the kernel
  /// made them.
  virtual void arrived(int result, unsigned flags) noexcept = 0;

  /// Whether there is something for next() to take: a value or an error.
  virtual bool has_some() const noexcept = 0;

  /// Whoever waited has been cancelled.
  virtual void forsaken() noexcept {}

  /// What has arrived may be taken.
  void wake() noexcept {
    if (waiting_ != nullptr) waiting_->resume();
  }
  bool awaited() const noexcept { return waiting_ != nullptr; }
  scheduler& where() const noexcept { return *where_; }

  /// Cancels it. It begins again when next somebody waits.
  void disarm() noexcept;

  /// Cancels and awaits it.
  void stop();

 private:
  friend class op_queue;
  /// Its last completion is in, and that of its cancel.
  void ended() noexcept;
  /// Submits it, unless it is in flight.
  void arm() noexcept;
  /// Takes it back before it has reached the ring.
  void withdraw() noexcept;

  wait* waiting_ = nullptr;
};

}  // namespace zc::detail
