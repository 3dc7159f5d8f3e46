#pragma once

#include <liburing.h>

#include <cstdint>
#include <optional>

namespace zc::detail {

/// What the kernel says at the end of one submission, or in the course of one.
struct completion {
  std::uint64_t user_data;
  int result;
  std::uint32_t flags = 0;  // IORING_CQE_F_*
};

/// Stands between one ring and the kernel in tests, and scripts what no kernel can be made to do.
///
/// Everything passes through it: each submission, completion and io_uring_enter(2), and the system
/// calls that transfers make on their own thread. A ring without one pays a branch for each.
class interposer {
 public:
  /// False makes the submission queue look full.
  virtual bool has_room() noexcept = 0;

  /// Shown each submission once, before the kernel is. May change it.
  virtual void submit(io_uring_sqe& sqe) noexcept = 0;

  /// -errno to have io_uring_enter(2) fail with instead of being called, or 0. Whoever holds
  /// completions back must not let it wait.
  virtual int enter(bool& wait) noexcept = 0;

  /// Takes one completion from the kernel.
  virtual void complete(completion arrived) noexcept = 0;
  /// Gives the next one that zc is to see now, or nothing.
  virtual std::optional<completion> next() noexcept = 0;

  /// Shown each system call as the submission that it stands for, which may be changed. A value is
  /// the result (or -errno) to give instead of calling.
  virtual std::optional<int> call(io_uring_sqe& sqe) noexcept = 0;

 protected:
  ~interposer() = default;
};

}  // namespace zc::detail
