#include "engine/uring/op_queue.hpp"

#include <poll.h>

#include <cerrno>

#include "zc/detail/multishot.hpp"

namespace zc::detail {

namespace {

// The user_data of an op is its address, which leaves these bits to what is none.
constexpr std::uint64_t tag_bits = 7;
static_assert(alignof(operation) > tag_bits);
// Marks the completion of a cancel, beside its op's address.
constexpr std::uint64_t cancel_bit = 1;
// An op of several completions has operation::several_bit, 4, there, and so has its cancel.
// The user_data of the poll that waits for other threads.
constexpr std::uint64_t wake_tag = 2;
// The user_data of the timer after which cancels that did not take are sent again.
constexpr std::uint64_t retry_tag = 4;

/// Signals interrupt workers with the kernel's private codes ERESTARTSYS (512) to 516.
bool interrupted(int result) noexcept {
  return result == -EINTR || (result <= -512 && result >= -516);
}

}  // namespace

inline void op_queue::end(operation& op) noexcept {
  if (op.raw_ < 0) [[unlikely]] {
    if (interrupted(op.raw_)) op.raw_ = op.cancel_wanted_ ? -ECANCELED : -EINTR;
    if (op.raw_ == -ECANCELED && op.scope() != nullptr) op.scope()->observe();
  }
  op.stage_ = operation::stage::done;
  some_ended_ = true;
  op.leave();
  if (op.waiter_ != nullptr) op.waiter_->env.where->post(*op.waiter_);
}

void op_queue::cancel(operation& op) noexcept {
  if (op.cancel_wanted_ || !op.cancellable_) return;
  op.cancel_wanted_ = true;
  // A queued op is ended by flush().
  if (op.stage_ == operation::stage::in_kernel) cancels_.push(op);
}

bool op_queue::fill_cancel(operation& op) {
  io_uring_sqe* sqe = ring_.next_sqe();
  if (sqe == nullptr) return false;
  const std::uint64_t target = reinterpret_cast<std::uint64_t>(&op) | op.tag_;
  io_uring_prep_cancel64(sqe, target, 0);
  sqe->user_data = target | cancel_bit;
  ++op.completions_due_;
  return true;
}

inline bool op_queue::fill_submission(operation& op) {
  if (op.cancel_wanted_) {
    op.raw_ = -ECANCELED;
    end(op);
    return true;
  }
  io_uring_sqe* const sqe = ring_.next_sqe();
  if (sqe == nullptr) return false;
  op.prepare(*sqe);
  sqe->user_data = reinterpret_cast<std::uint64_t>(&op) | op.tag_;
  op.stage_ = operation::stage::in_kernel;
  ++op.completions_due_;
  return true;
}

bool op_queue::flush() {
  some_ended_ = false;
  while (!waiting_.empty() && fill_submission(*waiting_.front())) waiting_.pop();
  while (!cancels_.empty() && fill_cancel(*cancels_.front())) cancels_.pop();
  if (!unheard_.empty() && !retry_armed_) arm_retry();
  const bool all_sent = waiting_.empty() && cancels_.empty() && (unheard_.empty() || retry_armed_);
  return all_sent && !some_ended_;
}

void op_queue::arm_retry() {
  io_uring_sqe* sqe = ring_.next_sqe();
  if (sqe == nullptr) return;
  io_uring_prep_timeout(sqe, &retry_after_, 0, 0);
  sqe->user_data = retry_tag;
  retry_armed_ = true;
}

void op_queue::await_wake(int eventfd) noexcept {
  io_uring_sqe* sqe = ring_.next_sqe();
  if (sqe == nullptr) return;
  io_uring_prep_poll_add(sqe, eventfd, POLLIN);
  sqe->user_data = wake_tag;
  awaiting_wake_ = true;
}

inline void op_queue::complete(completion arrived) noexcept {
  if ((arrived.user_data & tag_bits) != 0) {
    complete_other(arrived);
    return;
  }
  auto& op = *reinterpret_cast<operation*>(arrived.user_data);
  op.raw_ = arrived.result;
  // A cancel that is not in the ring yet has nothing left to do.
  if (op.cancel_wanted_ && !cancels_.remove(op)) unheard_.remove(op);
  if (--op.completions_due_ == 0) end(op);
}

void op_queue::complete_other(completion arrived) noexcept {
  const auto [user_data, result, flags] = arrived;
  if (user_data == wake_tag) {
    awaiting_wake_ = false;
    return;
  }
  if (user_data == retry_tag) {
    retry_armed_ = false;
    cancels_.append(unheard_);
    unheard_ = {};
    return;
  }
  auto& op = *reinterpret_cast<operation*>(user_data & ~tag_bits);
  if ((user_data & cancel_bit) == 0) {
    complete_several(op, result, flags);
    return;
  }
  // A worker on its way into a blocking splice or tee can miss the kernel's one signal, and would
  // sleep for ever. (Seen on 6.18.)
  if (result < 0 && op.completions_due_ > 1) unheard_.push(op);
  take_off(op);
}

void op_queue::complete_several(operation& op, int result, unsigned flags) noexcept {
  if (interrupted(result)) result = op.cancel_wanted_ ? -ECANCELED : -EINTR;
  op.raw_ = result;
  static_cast<multishot&>(op).arrived(result, flags);
  if ((flags & IORING_CQE_F_MORE) != 0) return;
  if (op.cancel_wanted_ && !cancels_.remove(op)) unheard_.remove(op);
  take_off(op);
}

void op_queue::take_off(operation& op) noexcept {
  if (--op.completions_due_ > 0) return;
  end(op);
  if (op.tag_ != 0) static_cast<multishot&>(op).ended();
}

void op_queue::reap() {
  ring_.reap([this](completion arrived) { complete(arrived); });
}

void op_queue::withdraw(operation& op) noexcept {
  waiting_.remove(op);
  op.raw_ = -ECANCELED;
  op.stage_ = operation::stage::done;
}

void op_queue::abandon(operation& op) {
  op.waiter_ = nullptr;
  if (op.stage_ == operation::stage::queued) {
    withdraw(op);
    return;
  }
  op.cancellable_ = true;
  cancel(op);
  while (op.stage_ == operation::stage::in_kernel) {
    const bool may_sleep = flush();
    ring_.enter(may_sleep ? ring::for_ever : ring::do_not_wait);
    reap();
  }
}

}  // namespace zc::detail
