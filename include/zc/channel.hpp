#pragma once

#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include "zc/detail/ring_buffer.hpp"
#include "zc/detail/wait_list.hpp"

namespace zc {

/// A queue of values between coroutines, bounded and closable: who sends waits while it is full,
/// who receives while it is empty.
///
/// Values come out in the order in which they went in, each to one receiver; senders and receivers
/// are served first come, first served. Capacity 0 hands each value over from a sender to a
/// receiver that both wait. For the coroutines of one context, on its thread. Must outlive every
/// wait.
template <class T>
class channel {
  static_assert(std::is_nothrow_move_constructible_v<T>,
                "a channel moves its values, and must not lose one to an exception");

 public:
  explicit channel(std::size_t capacity) noexcept : capacity_(capacity) {}
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;

  /// `co_await send(value)` resumes with true once the channel, or a receiver, has the value; with
  /// false when the channel is or becomes closed first. Throws std::system_error ECANCELED when
  /// cancelled. A value that was not accepted goes with the wait: try_send() leaves it where it is.
  /// Throws std::bad_alloc where there is no memory to keep it.
  ///
  /// Under GCC 12 give the value a name before the co_await expression, and std::move() that: there
  /// it destroys twice what is written in braces, and closures.
  [[nodiscard]] auto send(T value) noexcept { return sending(*this, std::move(value)); }

  /// Moves from `value` and returns true if there is room now; otherwise leaves it alone.
  bool try_send(T&& value) {
    if (closed_) return false;
    if (receiving* const first = first_receiver()) {
      first->value_.emplace(std::move(value));
      receivers_.give_first();
      return true;
    }
    if (values_.size() >= capacity_) return false;
    values_.push(std::move(value));
    return true;
  }

  /// `co_await receive()` resumes with the next value; with nothing once the channel is closed and
  /// drained. Throws std::system_error ECANCELED when cancelled; then it has taken nothing.
  [[nodiscard]] auto receive() noexcept { return receiving(*this); }

  /// The next value, if there is one now. Does not wait.
  std::optional<T> try_receive() noexcept {
    sending* const first = first_sender();
    std::optional<T> value;
    if (!values_.empty()) {
      value.emplace(values_.pop());
      if (first != nullptr) values_.push(std::move(*first->value_));  // where that was
    } else if (first != nullptr) {
      value.emplace(std::move(*first->value_));
    }
    if (first != nullptr) {
      first->sent_ = true;
      senders_.give_first();
    }
    return value;
  }

  /// From now on nothing can be sent; what is in it can still be received. Senders that wait resume
  /// with false, receivers that wait with nothing.
  void close() noexcept {
    closed_ = true;
    while (!senders_.empty()) senders_.give_first();
    while (!receivers_.empty()) receivers_.give_first();
  }
  bool is_closed() const noexcept { return closed_; }

  /// How many values are in it.
  std::size_t size() const noexcept { return values_.size(); }

 private:
  class sending final : public detail::waiter {
   public:
    sending(channel& to, T value) noexcept
        : waiter(to.senders_), to_(to), value_(std::move(value)) {}
    bool await_resume() {
      accepted();
      finish("zc::channel::send");
      return sent_;
    }

   private:
    friend class channel;
    bool take() override {
      sent_ = to_.try_send(std::move(*value_));
      return sent_ || to_.closed_;
    }

    channel& to_;
    std::optional<T> value_;
    bool sent_ = false;
  };

  class receiving final : public detail::waiter {
   public:
    explicit receiving(channel& from) noexcept : waiter(from.receivers_), from_(from) {}
    std::optional<T> await_resume() {
      accepted();
      finish("zc::channel::receive");
      return std::exchange(value_, std::nullopt);
    }

   private:
    friend class channel;
    bool take() override {
      if (std::optional<T> next = from_.try_receive()) value_.emplace(std::move(*next));
      return value_.has_value() || from_.closed_;
    }

    channel& from_;
    std::optional<T> value_;
  };

  sending* first_sender() const noexcept { return static_cast<sending*>(senders_.front()); }
  receiving* first_receiver() const noexcept { return static_cast<receiving*>(receivers_.front()); }

  std::size_t capacity_;
  detail::ring_buffer<T> values_;
  detail::wait_list senders_;
  detail::wait_list receivers_;
  bool closed_ = false;
};

}  // namespace zc
