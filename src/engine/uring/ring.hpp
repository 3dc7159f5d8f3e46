#pragma once

#include <liburing.h>
#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

#include "engine/interposer.hpp"
#include "engine/uring/worker_limit.hpp"
#include "zc/context_options.hpp"

namespace zc::detail {

/// A flag of io_uring_setup(2) that zc asks for where the kernel has it.
struct setup_flag {
  const char* name;
  std::uint32_t bit;
};

/// Newest first: the order in which they are given up on older kernels.
inline constexpr std::array<setup_flag, 6> wanted_setup_flags{{
    {"DEFER_TASKRUN", IORING_SETUP_DEFER_TASKRUN},  // 6.1: completions when we ask for them
    {"SINGLE_ISSUER", IORING_SETUP_SINGLE_ISSUER},  // 6.0: one thread, less locking
    {"TASKRUN_FLAG", IORING_SETUP_TASKRUN_FLAG},  // 5.19: tells when there is something to ask for
    {"COOP_TASKRUN", IORING_SETUP_COOP_TASKRUN},  // 5.19: no interrupts for completions
    {"SUBMIT_ALL", IORING_SETUP_SUBMIT_ALL},      // 5.18: one bad op does not stop the batch
    {"R_DISABLED", IORING_SETUP_R_DISABLED},      // 5.10: the thread that runs it owns it
}};

/// The flags of `wanted_setup_flags` with which `try_setup` (0, or -errno) succeeds; the last
/// errno, negative, where even none of them do. DEFER_TASKRUN needs SINGLE_ISSUER, and is first to
/// go, so no combination tried is invalid in itself.
template <class TrySetup>
int set_up_with_fallback(std::uint32_t& flags, TrySetup try_setup) {
  flags = 0;
  for (const setup_flag& each : wanted_setup_flags) flags |= each.bit;
  int error = try_setup(flags);
  for (const setup_flag& each : wanted_setup_flags) {
    if (error != -EINVAL) break;
    flags &= ~each.bit;
    error = try_setup(flags);
  }
  return error;
}

/// Why io_uring_setup(2) failed with `error_number`, and what to do about it.
std::string explain_setup_failure(int error_number);

/// Owns one io_uring. Throws std::system_error when it cannot be had; does not move.
///
/// Not thread-safe; used by the thread that first called enable() and no other.
class ring {
 public:
  explicit ring(const context_options& options);
  ring(const ring&) = delete;
  ring& operator=(const ring&) = delete;
  ~ring();

  /// Makes the calling thread the ring's own. Before the first submission.
  void enable();

  /// Gives the calling thread the limit of kernel workers that the ring was made with, and says
  /// what it is then. While the ring is at_hand: by that the kernel knows the thread.
  worker_limits limit_workers(pid_t thread) noexcept {
    return detail::limit_workers(ring_, workers_, thread, maker_);
  }

  std::uint32_t setup_flags() const noexcept { return ring_.flags; }

  /// Room for one submission, or null while the queue is full even after submitting.
  io_uring_sqe* next_sqe() {
    if (interposer_ == nullptr) [[likely]] {
      if (io_uring_sqe* const sqe = io_uring_get_sqe(&ring_)) return sqe;
    }
    return make_room();
  }

  /// While one lives, the kernel knows the ring by a number of the calling thread's, and need not
  /// look its descriptor up at each enter(). For the ring's own thread. A kernel that cannot, or
  /// has no number left, goes on as before.
  class at_hand {
   public:
    explicit at_hand(ring& of) noexcept
        : of_(of), has_number_(io_uring_register_ring_fd(&of.ring_) == 1) {}
    at_hand(const at_hand&) = delete;
    at_hand& operator=(const at_hand&) = delete;
    ~at_hand() {
      // Without a number, liburing would give back another ring's.
      if (has_number_) io_uring_unregister_ring_fd(&of_.ring_);
    }

   private:
    ring& of_;
    bool has_number_;
  };

  static constexpr std::chrono::nanoseconds do_not_wait{0};
  static constexpr std::chrono::nanoseconds for_ever = std::chrono::nanoseconds::max();

  /// Hands what was filled in to the kernel and lets it post completions; sleeps until there is
  /// one, but no longer than `at_most`. A signal or a full completion queue ends it early, without
  /// an error.
  void enter(std::chrono::nanoseconds at_most);

  /// Calls `take(completion)` for each completion that has arrived.
  template <class Take>
  void reap(Take take) {
    if (interposer_ == nullptr) [[likely]] {
      for_each_arrived(take);
    } else {
      for_each_arrived([this](completion arrived) { interposer_->complete(arrived); });
      while (const std::optional<completion> seen = interposer_->next()) take(*seen);
    }
  }

  /// Has the kernel take buffers for ops from the queue described. False where it cannot.
  bool register_buffers(io_uring_buf_reg& queue) noexcept {
    return io_uring_register_buf_ring(&ring_, &queue, 0) == 0;
  }
  void unregister_buffers(int group) noexcept { io_uring_unregister_buf_ring(&ring_, group); }

  /// True if the kernel can do IORING_OP_`opcode`.
  bool supports(int opcode);

  /// From now on `by` stands between this ring and the kernel; null ends that. Both while no op is
  /// in flight. For tests.
  void interpose(interposer* by) noexcept;
  interposer* interposed_by() const noexcept { return interposer_; }

 private:
  template <class Take>
  void for_each_arrived(Take take) {
    unsigned head = *ring_.cq.khead;
    const unsigned tail = io_uring_smp_load_acquire(ring_.cq.ktail);
    if (head == tail) return;
    for (; head != tail; ++head) {
      const io_uring_cqe& cqe = ring_.cq.cqes[head & ring_.cq.ring_mask];
      take(completion{cqe.user_data, cqe.res, cqe.flags});
    }
    io_uring_smp_store_release(ring_.cq.khead, head);
  }
  io_uring_sqe* make_room();
  bool kernel_has_work() const noexcept;
  int wait_at_most(std::chrono::nanoseconds at_most) noexcept;
  void show_submissions() noexcept;

  io_uring ring_{};
  interposer* interposer_ = nullptr;
  unsigned shown_ = 0;  // the queue's index of the first submission that it has not seen
  std::uint32_t workers_;
  pid_t maker_;
  bool enabled_ = false;
};

}  // namespace zc::detail
