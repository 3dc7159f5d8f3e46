#include "op_queue.hpp"

#include <poll.h>

#include <cerrno>

namespace zc::detail {

namespace {

// Bit 0 of user_data marks the completion of a cancel; operations are aligned to more than that.
constexpr std::uint64_t cancel_bit = 1;
// The user_data of the poll that waits for other threads: no operation lives there.
constexpr std::uint64_t wake_tag = 2;
// The user_data of the timer after which cancels that did not take are sent again.
constexpr std::uint64_t retry_tag = 4;

/// Signals interrupt workers with the kernel's private codes ERESTARTSYS (512) to 516.
bool interrupted(int result) noexcept {
  return result == -EINTR || (result <= -512 && result >= -516);
}

}  // namespace

void op_queue::submit(operation& op) noexcept {
  op.stage_ = operation::stage::queued;
  waiting_.push(op);
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
  const auto target = reinterpret_cast<std::uint64_t>(&op);
  io_uring_prep_cancel64(sqe, target, 0);
  sqe->user_data = target | cancel_bit;
  ++op.completions_due_;
  return true;
}

bool op_queue::fill_submission(operation& op) {
  if (op.cancel_wanted_) {
    op.raw_ = -ECANCELED;
    end(op);
    return true;
  }
  io_uring_sqe* sqe = ring_.next_sqe();
  if (sqe == nullptr) return false;
  op.prepare(*sqe);
  sqe->user_data = reinterpret_cast<std::uint64_t>(&op);
  op.stage_ = operation::stage::in_kernel;
  ++op.completions_due_;
  return true;
}

bool op_queue::flush() {
  some_ended_ = false;
  fifo<operation> ops = waiting_;
  waiting_ = {};
  while (operation* op = ops.pop()) {
    if (fill_submission(*op)) continue;
    fifo<operation> kept;
    kept.push(*op);
    kept.append(ops);
    kept.append(waiting_);
    waiting_ = kept;
    break;
  }
  ops = cancels_;
  cancels_ = {};
  while (operation* op = ops.pop()) {
    if (fill_cancel(*op)) continue;
    fifo<operation> kept;
    kept.push(*op);
    kept.append(ops);
    cancels_ = kept;
    break;
  }
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

void op_queue::complete(completion arrived) noexcept {
  const auto [user_data, result] = arrived;
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
  auto& op = *reinterpret_cast<operation*>(user_data & ~cancel_bit);
  if ((user_data & cancel_bit) == 0) {
    op.raw_ = result;
    // A cancel that is not in the ring yet has nothing left to do.
    if (op.cancel_wanted_ && !cancels_.remove(op)) unheard_.remove(op);
  } else if (result < 0 && op.completions_due_ > 1) {
    // A worker on its way into a blocking splice or tee can miss the kernel's one signal, and
    // would sleep for ever. (Seen on 6.18.)
    unheard_.push(op);
  }
  if (--op.completions_due_ == 0) end(op);
}

void op_queue::end(operation& op) noexcept {
  if (interrupted(op.raw_)) op.raw_ = op.cancel_wanted_ ? -ECANCELED : -EINTR;
  op.stage_ = operation::stage::done;
  some_ended_ = true;
  if (op.raw_ == -ECANCELED && op.scope() != nullptr) op.scope()->observe();
  op.leave();
  if (op.waiter_ != nullptr) op.waiter_->env.where->post(*op.waiter_);
}

void op_queue::abandon(operation& op) {
  op.waiter_ = nullptr;
  if (op.stage_ == operation::stage::queued) {
    waiting_.remove(op);
    op.raw_ = -ECANCELED;
    op.stage_ = operation::stage::done;
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
