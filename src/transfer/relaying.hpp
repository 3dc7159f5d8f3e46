#pragma once

#include <array>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "core/timers.hpp"
#include "transfer/pump.hpp"
#include "zc/detail/cancel.hpp"
#include "zc/detail/promise.hpp"
#include "zc/detail/turn_share.hpp"
#include "zc/relay.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace zc::detail {

/// How many bytes that were sent the peer has not taken; 0 of what cannot tell.
int not_taken(int fd) noexcept;

/// A relay while it runs: two transfers, and the time. Where no transfer would notice the death of
/// an end, as none waits for bytes from it, a look-out.
///
/// Ends are 0 and 1; way 0 reads from end 0 and writes to end 1, way 1 the other way round.
class relaying final : public joiner, private observer {
 public:
  relaying(environment env, relay_end a, relay_end b, const relay_options& options) noexcept
      : env_(env), ends_{a, b}, options_(options) {
    for (cancel_scope& each : way_scopes_) each.go_below(env.cancel);
    // That nobody looks out any more is never why something ended.
    lookout_scope_.mute();
    lookout_scope_.go_below(env.cancel);
  }

  /// Waits for something to happen, or until the relay's time is over.
  class wake_up final : public timer {
   public:
    explicit wake_up(relaying& of) noexcept : timer(of.time_left()), of_(of) {}
    bool await_ready() const noexcept { return of_.woken_; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> self) noexcept {
      of_.waiter_ = &self.promise();
      of_.wait_ = this;
      // In a cancelled task it does not run: then what is cancelled with it ends the wait.
      start(self.promise());
    }
    void await_resume() noexcept {
      of_.waiter_ = nullptr;
      of_.woken_ = false;
      of_.start_lookouts();
      of_.look_at_clock();
    }

   private:
    relaying& of_;
  };

  /// Before it is looked at, as one that is refused may be asked for again at once.
  turn_share breathe() const noexcept { return turn_share(*env_.where, env_.cancel->requested()); }
  /// False where it is refused: the result says why.
  bool resolve() noexcept;
  void start();
  bool running() const noexcept { return running_ > 0; }
  relay_result take();

 private:
  static std::size_t other(std::size_t which) noexcept { return 1 - which; }
  transfer& done(std::size_t way) noexcept { return way == 0 ? done_.a_to_b : done_.b_to_a; }
  int in_of(std::size_t way) const noexcept { return ends_[way].in; }
  int out_of(std::size_t way) const noexcept { return ends_[other(way)].out; }

  void refuse(std::size_t way, std::error_code error, side where) noexcept;
  void start(promise_base& child, cancel_scope& scope);
  void moved(const pump&) noexcept override {
    last_moved_ = std::chrono::steady_clock::now();
    if (dead_) not_taken_ = not_taken(out_of(*dead_));
  }
  void waits_for_out(const pump& by) noexcept override;
  void want_lookout(std::size_t end) noexcept;
  void start_lookouts() noexcept;
  static task<> look_out(relaying& of, std::size_t end);

  std::coroutine_handle<> child_done(promise_base& child) noexcept override;
  void way_ended(std::size_t way) noexcept;
  void source_ended(std::size_t way) noexcept;
  void way_failed(std::size_t way) noexcept;
  void end_died(std::size_t end) noexcept;
  void linger_for(std::size_t end) noexcept;
  void stop() noexcept;
  void wake() noexcept;

  std::chrono::nanoseconds time_left() const noexcept;
  std::chrono::steady_clock::time_point linger_end() const noexcept;
  bool is_slow_but_alive() noexcept;
  void look_at_clock() noexcept;
  void name_the_dead() noexcept;

  environment env_;
  std::array<relay_end, 2> ends_;
  const relay_options& options_;    // in the frame that this is in
  std::array<bool, 2> is_one_{};    // it reads from what it writes to, whatever the two numbers
  std::array<bool, 2> can_die_{};   // a socket with a connection
  std::array<bool, 2> was_shut_{};  // by the caller, for writing
  std::array<bool, 2> want_lookout_{};
  std::array<bool, 2> over_{};
  bool woken_ = false;
  bool stopped_ = false;
  bool expired_ = false;
  std::optional<std::size_t> dead_;  // the end that is gone, and may have left bytes
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point last_moved_ = began_;
  std::chrono::steady_clock::time_point
      died_;           // or when, after that, the other end was seen to take some
  int not_taken_ = 0;  // by the other end, at that time
  std::size_t running_ = 0;
  resumable* waiter_ = nullptr;
  wake_up* wait_ = nullptr;
  std::exception_ptr error_;
  relay_result done_;
  std::array<cancel_scope, 2> way_scopes_;
  cancel_scope lookout_scope_;
  std::array<task<transfer>, 2> ways_;
  std::array<task<>, 2> lookouts_;
};

}  // namespace zc::detail
