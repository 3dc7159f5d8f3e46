#pragma once

#include <cstddef>

#include "zc/detail/wait_list.hpp"

namespace zc {

/// A number of permits: at most so many coroutines at a time have one.
///
/// First come, first served. For the coroutines of one context, on its thread. Must outlive every
/// wait.
class semaphore {
 public:
  explicit semaphore(std::size_t permits) noexcept : available_(permits) {}
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;

  /// `co_await acquire()` resumes with a permit taken. Throws std::system_error ECANCELED when
  /// cancelled; then it has taken none.
  [[nodiscard]] auto acquire() noexcept { return acquisition(*this); }

  /// Takes a permit if there is one now. Does not wait.
  bool try_acquire() noexcept {
    if (available_ == 0) return false;
    --available_;
    return true;
  }

  /// Gives a permit back, or one more: to the first who waits, or for later.
  void release() noexcept {
    if (line_.empty()) {
      ++available_;
    } else {
      line_.give_first();
    }
  }
  void release(std::size_t permits) noexcept {
    for (; permits > 0; --permits) release();
  }

  /// Permits that nobody has.
  std::size_t available() const noexcept { return available_; }

 private:
  class acquisition final : public detail::waiter {
   public:
    explicit acquisition(semaphore& of) noexcept : waiter(of.line_), of_(of) {}
    acquisition(const acquisition&) = default;
    ~acquisition() {
      if (given()) of_.release();  // its coroutine goes without having run
    }
    void await_resume() {
      accepted();
      finish("zc::semaphore::acquire");
    }

   private:
    bool take() noexcept override { return of_.try_acquire(); }
    semaphore& of_;
  };

  detail::wait_list line_;
  std::size_t available_;
};

}  // namespace zc
