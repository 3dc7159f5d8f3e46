#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "zc/detail/scheduler.hpp"

namespace zc::detail {

/// Lets a bounded number of coroutines through at a time; the others wait in line.
///
/// One context's thread. Cancellation does not end the wait: whoever is inside is cancelled too,
/// and lets the next one in. Must outlive every pass.
class limiter {
 public:
  explicit limiter(std::size_t limit) noexcept : limit_(limit) {}
  limiter(const limiter&) = delete;
  limiter& operator=(const limiter&) = delete;

  /// Being inside. Ends with the object.
  class pass {
   public:
    explicit pass(limiter& inside_of) noexcept : inside_of_(&inside_of) {}
    pass(pass&& other) noexcept : inside_of_(std::exchange(other.inside_of_, nullptr)) {}
    pass& operator=(pass other) noexcept {
      std::swap(inside_of_, other.inside_of_);
      return *this;
    }
    ~pass() { leave(); }

    void leave() noexcept {
      if (inside_of_ != nullptr) std::exchange(inside_of_, nullptr)->leave();
    }

   private:
    limiter* inside_of_;
  };

  /// `co_await enter()` resumes with a pass.
  [[nodiscard]] auto enter() noexcept { return entry(*this); }

  std::size_t limit() const noexcept { return limit_; }
  /// At least 1. Who is inside already stays.
  void set_limit(std::size_t limit) noexcept {
    limit_ = limit;
    admit();
  }

  std::size_t inside() const noexcept { return inside_; }
  /// How often somebody was let in.
  std::uint64_t entries() const noexcept { return entries_; }

 private:
  class entry {
   public:
    explicit entry(limiter& to) noexcept : to_(to) {}
    bool await_ready() noexcept {
      if (to_.inside_ >= to_.limit_) return false;
      to_.let_in();
      return true;
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> self) noexcept {
      to_.waiting_.push(self.promise());
    }
    pass await_resume() noexcept { return pass(to_); }

   private:
    limiter& to_;
  };

  void let_in() noexcept {
    ++inside_;
    ++entries_;
  }
  void leave() noexcept {
    --inside_;
    admit();
  }
  void admit() noexcept {
    while (inside_ < limit_ && !waiting_.empty()) {
      let_in();
      resumable& next = *waiting_.pop();
      next.env.where->post(next);
    }
  }

  std::size_t limit_;
  std::size_t inside_ = 0;
  std::uint64_t entries_ = 0;
  fifo<resumable> waiting_;
};

}  // namespace zc::detail
