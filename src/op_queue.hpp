#pragma once

#include <cstddef>
#include <cstdint>

#include "interceptor.hpp"
#include "ring.hpp"
#include "zc/detail/operation.hpp"

namespace zc::detail {

/// The ops of one ring: those that wait for room in it and those the kernel has.
///
/// An op and the cancel aimed at it are two completions, and the op has ended only when both are
/// in: so no cancel can ever hit another op that came to live at the same address. No op needs
/// memory of its own here, so cancelling cannot fail, and is queued like anything else.
class op_queue {
 public:
  explicit op_queue(ring& ring) noexcept : ring_(ring) {}

  void submit(operation& op) noexcept;
  void cancel(operation& op) noexcept;

  /// Cancels `op` and takes completions, without resuming anything, until it has ended.
  void abandon(operation& op);

  /// Moves waiting ops into the ring's submission queue, as far as there is room. True if an op
  /// ended here and now, without the kernel.
  bool flush();

  /// Takes all completions that have arrived.
  void reap() {
    ring_.reap([this](std::uint64_t user_data, int result) { complete(user_data, result); });
  }

  /// Waits on the ring for another thread's wake-up, once; woken() says that it came.
  void await_wake(int eventfd);
  bool awaiting_wake() const noexcept { return awaiting_wake_; }

  void intercept_with(interceptor* by) noexcept { interceptor_ = by; }
  interceptor* intercepted_by() const noexcept { return interceptor_; }

 private:
  bool fill_cancel(operation& op);
  bool fill_submission(operation& op);
  void arm_retry();
  /// Takes one completion; ends the op when that was its last.
  void complete(std::uint64_t user_data, int result) noexcept;
  void end(operation& op) noexcept;

  ring& ring_;
  fifo<operation> waiting_;
  fifo<operation> cancels_;
  fifo<operation> unheard_;  // the kernel did not find them to cancel, or says they are running
  interceptor* interceptor_ = nullptr;
  bool awaiting_wake_ = false;
  __kernel_timespec retry_after_{0, 2'000'000};
  bool retry_armed_ = false;
  bool some_ended_ = false;
};

}  // namespace zc::detail
