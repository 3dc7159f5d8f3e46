#pragma once

#include <cerrno>
#include <coroutine>
#include <system_error>
#include <utility>

#include "zc/detail/cancel.hpp"
#include "zc/detail/errno_code.hpp"
#include "zc/detail/export.hpp"
#include "zc/detail/scheduler.hpp"

namespace zc::detail {

/// Tells one waiting coroutine that something has happened since it last asked.
///
/// One context's thread. Must outlive the wait.
class ZC_API event {
 public:
  event() noexcept = default;
  event(const event&) = delete;
  event& operator=(const event&) = delete;

  /// Resumes who waits; where nobody does, the next wait does not wait.
  void set() noexcept {
    if (waiting_ != nullptr) {
      std::exchange(waiting_, nullptr)->end({});
    } else {
      set_ = true;
    }
  }

  /// `co_await wait()` resumes without an error, or with ECANCELED.
  [[nodiscard]] auto wait() noexcept { return waiter(*this); }

 private:
  class waiter final : public cancellable {
   public:
    explicit waiter(event& of) noexcept : of_(of) {}
    ~waiter() {
      if (of_.waiting_ == this) of_.waiting_ = nullptr;
    }

    bool await_ready() const noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
      self_ = &self.promise();
      cancel_scope& scope = *self_->env.cancel;
      if (scope.requested()) {
        error_ = errno_code(ECANCELED);
        self_->env.where->post(*self_);
        return true;
      }
      if (std::exchange(of_.set_, false)) return false;
      of_.waiting_ = this;
      enter(scope);
      return true;
    }
    std::error_code await_resume() const noexcept {
      if (error_) self_->env.cancel->observe();
      return error_;
    }

    void cancel() noexcept override {
      of_.waiting_ = nullptr;
      end(errno_code(ECANCELED));
    }

   private:
    friend class event;
    void end(std::error_code why) noexcept {
      error_ = why;
      leave();
      self_->env.where->post(*self_);
    }

    event& of_;
    resumable* self_ = nullptr;
    std::error_code error_;
  };

  waiter* waiting_ = nullptr;
  bool set_ = false;
};

}  // namespace zc::detail
