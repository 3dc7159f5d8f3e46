#pragma once

#include "zc/detail/wait_list.hpp"

namespace zc {

/// Something that has happened, or not yet: coroutines wait until it has.
///
/// Stays set until reset(), so that a wait after set() ends at once. For the coroutines of one
/// context, on its thread; from other threads use context::post(). Must outlive every wait.
class event {
 public:
  event() noexcept = default;
  event(const event&) = delete;
  event& operator=(const event&) = delete;

  /// Resumes all who wait, in the order in which they came.
  void set() noexcept {
    set_ = true;
    while (!line_.empty()) line_.give_first();
  }
  /// From now on waits wait again.
  void reset() noexcept { set_ = false; }

  bool is_set() const noexcept { return set_; }

  /// `co_await wait()` resumes when it is set, also when it is reset before the coroutine runs.
  /// Throws std::system_error ECANCELED when cancelled.
  [[nodiscard]] auto wait() noexcept { return waiting(*this); }

 private:
  class waiting final : public detail::waiter {
   public:
    explicit waiting(event& of) noexcept : waiter(of.line_), of_(of) {}
    void await_resume() {
      accepted();
      finish("zc::event::wait");
    }

   private:
    bool take() noexcept override { return of_.set_; }
    event& of_;
  };

  detail::wait_list line_;
  bool set_ = false;
};

}  // namespace zc
