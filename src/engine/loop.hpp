#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "core/timers.hpp"
#include "engine/loop_service.hpp"
#include "engine/off_thread.hpp"
#include "engine/uring/op_queue.hpp"
#include "engine/uring/recv_pool.hpp"
#include "engine/uring/ring.hpp"
#include "zc/context.hpp"
#include "zc/context_options.hpp"
#include "zc/counters.hpp"
#include "zc/detail/cancel.hpp"
#include "zc/detail/scheduler.hpp"
#include "zc/fd.hpp"
#include "zc/scope.hpp"
#include "zc/task.hpp"

namespace zc::detail {

/// What a context is made of: the scheduler, the ring with its ops, the timers, and what higher
/// folders keep for it.
class loop final : public scheduler {
 public:
  explicit loop(const context_options& options);
  ~loop();  // NOLINT(bugprone-exception-escape): see there

  /// The loop behind a scheduler: every scheduler of this library is one.
  static loop& of(scheduler& where) noexcept { return static_cast<loop&>(where); }
  static loop& of(context& where) noexcept { return *where.loop_; }

  op_queue& ops() noexcept { return ops_; }
  ring& kernel() noexcept { return ring_; }
  counters& count() noexcept { return counters_; }
  /// Throws std::logic_error on a wrong thread.
  counters counted() const;

  /// What streams receive into; null where there is no memory for it.
  recv_pool* recv_buffers() noexcept;
  /// Of multishot ops, which no task owns.
  void count_armed(int change) noexcept { armed_ += change; }
  off_threads& file_threads() noexcept { return file_threads_; }
  /// For tasks beside those of run(). Throws std::logic_error on a wrong thread.
  scope& background();

  const context_options& options() const noexcept { return options_; }

  /// The service of that type; makes it at its first use, and then may throw.
  template <class Service>
  Service& use() {
    static_assert(Service::slot < loop_service::slots);
    std::unique_ptr<loop_service>& kept = services_[Service::slot];
    if (!kept) kept = std::make_unique<Service>(*this);
    return static_cast<Service&>(*kept);
  }

  void run(promise_base& work);
  bool on_own_thread() const noexcept override;
  void drain(const cancel_scope& members, const std::size_t& running) override;
  void stop() noexcept;
  /// Has `work` spawned in the background. Thread-safe.
  void post(task<> work);

 private:
  /// What other threads have handed over, on its way into the background.
  class posted_tasks final : public remote_call {
   public:
    explicit posted_tasks(loop& to) noexcept : to_(to) {}
    void add(task<> work);

   private:
    void run() noexcept override;  // NOLINT(bugprone-exception-escape): see there

    loop& to_;
    std::mutex mutex_;  // guards what follows
    std::vector<task<>> tasks_;
  };

  class root;
  class current_run;
  class outer_run;

  void turn(bool wait) override;
  void wake() noexcept override;
  void bind_to_this_thread();
  void limit_workers() noexcept;

  context_options options_;
  ring ring_;
  op_queue ops_;
  timers timers_;
  counters counters_;
  std::unique_ptr<recv_pool, recv_pool::end> recv_buffers_;
  fd wake_;
  off_threads file_threads_{*this, "zc-files", 2};
  std::array<std::unique_ptr<loop_service>, loop_service::slots> services_;
  posted_tasks posted_{*this};
  std::atomic<bool> stop_wanted_{false};
  // The kernel's thread id: std::thread::id is soon used again. Others may ask.
  std::atomic<pid_t> owner_{0};
  current_run* run_ = nullptr;
  int armed_ = 0;
  std::unique_ptr<scope> background_;
};

}  // namespace zc::detail
