#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/uring/ring.hpp"
#include "zc/detail/operation.hpp"

namespace zc::detail {

/// The ops of one ring: those that wait for room in it and those the kernel has.
///
/// An op and the cancel aimed at it are two completions, and the op has ended only when both are
/// in (of an op of several completions, the last): so no cancel can ever hit another op that came
/// to live at the same address. No op needs memory of its own here, so cancelling cannot fail, and
/// is queued like anything else.
class op_queue {
 public:
  explicit op_queue(ring& ring) noexcept : ring_(ring) {}

  void submit(operation& op) noexcept {
    op.stage_ = operation::stage::queued;
    waiting_.push(op);
  }
  void cancel(operation& op) noexcept;
  /// Ends an op that has not reached the ring yet.
  void withdraw(operation& op) noexcept;

  /// Cancels `op` and takes completions, without resuming anything, until it has ended.
  void abandon(operation& op);

  /// Moves what waits into the ring's submission queue, as far as there is room. False where the
  /// loop must come round without sleeping: an op ended here and now, or there was no room.
  bool flush();

  /// Takes all completions that have arrived.
  void reap();

  /// Waits on the ring for another thread's wake-up, once; woken() says that it came.
  void await_wake(int eventfd) noexcept;
  bool awaiting_wake() const noexcept { return awaiting_wake_; }

 private:
  bool fill_cancel(operation& op);
  bool fill_submission(operation& op);
  void arm_retry();
  /// Takes one completion; ends the op when that was its last.
  void complete(completion arrived) noexcept;
  void complete_other(completion arrived) noexcept;
  void complete_several(operation& op, int result, unsigned flags) noexcept;
  /// One completion that was due is in; ends the op when there is no other. For what is no plain
  /// completion.
  void take_off(operation& op) noexcept;
  void end(operation& op) noexcept;

  ring& ring_;
  fifo<operation> waiting_;
  fifo<operation> cancels_;
  fifo<operation> unheard_;  // the kernel did not find them to cancel, or says they are running
  bool awaiting_wake_ = false;
  __kernel_timespec retry_after_{0, 2'000'000};
  bool retry_armed_ = false;
  bool some_ended_ = false;
};

}  // namespace zc::detail
