#pragma once

#include <utility>

#include "zc/detail/wait_list.hpp"

namespace zc {

/// Mutual exclusion of coroutines, across their suspensions: at most one holds it.
///
/// First come, first served; not recursive. For the coroutines of one context, on its thread: what
/// they do between two awaits needs no mutex. Must outlive every wait and every `held`.
class mutex {
 public:
  mutex() noexcept = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  /// Holds the mutex, and lets go of it at its end. Move-only; false when it holds none.
  class [[nodiscard]] held {
   public:
    held() noexcept = default;
    held(held&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    held& operator=(held other) noexcept {
      std::swap(of_, other.of_);
      return *this;
    }
    ~held() { unlock(); }

    explicit operator bool() const noexcept { return of_ != nullptr; }
    /// Lets go of it now; no effect when it holds none.
    void unlock() noexcept {
      if (of_ != nullptr) std::exchange(of_, nullptr)->unlock();
    }

   private:
    friend class mutex;
    explicit held(mutex& of) noexcept : of_(&of) {}
    mutex* of_ = nullptr;
  };

  /// `auto held = co_await lock();` Throws std::system_error ECANCELED when cancelled; then it does
  /// not hold the mutex.
  [[nodiscard]] auto lock() noexcept { return locking(*this); }

  /// Holds the mutex if nobody does now; does not wait.
  held try_lock() noexcept { return take() ? held(*this) : held(); }

 private:
  class locking final : public detail::waiter {
   public:
    explicit locking(mutex& of) noexcept : waiter(of.line_), of_(of) {}
    locking(const locking&) = default;
    ~locking() {
      if (given()) of_.unlock();  // its coroutine goes without having run
    }
    held await_resume() {
      accepted();
      finish("zc::mutex::lock");
      return held(of_);
    }

   private:
    bool take() noexcept override { return of_.take(); }
    mutex& of_;
  };

  bool take() noexcept { return !std::exchange(locked_, true); }
  void unlock() noexcept {
    if (line_.empty()) {
      locked_ = false;
    } else {
      line_.give_first();
    }
  }

  detail::wait_list line_;
  bool locked_ = false;
};

}  // namespace zc
