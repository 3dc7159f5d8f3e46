#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>

#include "name_threads.hpp"
#include "off_thread.hpp"
#include "op_queue.hpp"
#include "page_cache.hpp"
#include "pipe_pool.hpp"
#include "recv_pool.hpp"
#include "ring.hpp"
#include "timers.hpp"
#include "zc/context.hpp"
#include "zc/counters.hpp"
#include "zc/detail/cancel.hpp"
#include "zc/detail/scheduler.hpp"
#include "zc/fd.hpp"
#include "zc/scope.hpp"

namespace zc::detail {

/// What a context is made of: the scheduler, the ring with its ops, the timers, and the pipes.
class loop final : public scheduler {
 public:
  explicit loop(const context_options& options);
  ~loop();  // NOLINT(bugprone-exception-escape): see there

  /// The loop behind a scheduler: every scheduler of this library is one.
  static loop& of(scheduler& where) noexcept { return static_cast<loop&>(where); }
  static loop& of(context& where) noexcept { return *where.loop_; }

  op_queue& ops() noexcept { return ops_; }
  pipe_pool& pipes() noexcept { return pipes_; }
  ring& kernel() noexcept { return ring_; }
  page_cache& cache() noexcept { return cache_; }
  counters& count() noexcept { return counters_; }
  /// Throws std::logic_error on a wrong thread.
  counters counted() const;

  /// Memory for bytes on their way from one system call to the next: nothing in it outlives a
  /// suspension. Empty where there is none to be had.
  std::span<std::byte> scratch() noexcept;
  /// What streams receive into; null where there is no memory for it.
  recv_pool* recv_buffers() noexcept;
  /// Of multishot ops, which no task owns.
  void count_armed(int change) noexcept { armed_ += change; }
  off_threads& file_threads() noexcept { return file_threads_; }
  detail::name_threads& name_threads() noexcept { return name_threads_; }
  /// For tasks beside those of run(). Throws std::logic_error on a wrong thread.
  scope& background();

  void run(promise_base& work);
  bool on_own_thread() const noexcept override;
  void drain(const cancel_scope& members, const std::size_t& running) override;
  void stop() noexcept;

 private:
  class root;
  class current_run;
  class outer_run;

  void turn(bool wait) override;
  void wake() noexcept override;
  void bind_to_this_thread();
  void limit_workers() noexcept;

  ring ring_;
  op_queue ops_;
  pipe_pool pipes_;
  timers timers_;
  page_cache cache_;
  counters counters_;
  std::unique_ptr<std::byte[]> scratch_;
  std::uint32_t recv_buffer_count_;
  std::uint32_t recv_buffer_bytes_;
  std::unique_ptr<recv_pool, recv_pool::end> recv_buffers_;
  fd wake_;
  off_threads file_threads_{*this, "zc-files"};
  detail::name_threads name_threads_;
  std::atomic<bool> stop_wanted_{false};
  // The kernel's thread id: std::thread::id is soon used again. Others may ask.
  std::atomic<pid_t> owner_{0};
  current_run* run_ = nullptr;
  int armed_ = 0;
  std::unique_ptr<scope> background_;
};

}  // namespace zc::detail
