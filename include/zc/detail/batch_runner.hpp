#pragma once

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "zc/batch.hpp"
#include "zc/detail/cancel.hpp"
#include "zc/detail/errno_code.hpp"
#include "zc/detail/export.hpp"
#include "zc/detail/join.hpp"
#include "zc/detail/keep_first.hpp"
#include "zc/detail/limiter.hpp"
#include "zc/detail/turn_share.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace zc::detail {

/// What a callable gives, whether at once or as a task.
template <class T>
struct given {
  using type = T;
  static constexpr bool later = false;
};
template <class T>
struct given<task<T>> {
  using type = T;
  static constexpr bool later = true;
};

/// The kind of job that `next()` gives.
template <class Next>
using job_of = typename given<std::invoke_result_t<Next&>>::type::value_type;

template <class Next, class Job>
concept gives_jobs = std::derived_from<job_of<Next>, Job>;

/// What is done with each job: the callables of the caller, and how a job is carried out.
///
/// `carry(job)` is a task<Result>, with Result a transfer or derived from it.
template <class Next, class Done, class Carry>
class batch_work {
 public:
  using job = job_of<Next>;
  using result = typename given<std::invoke_result_t<Carry&, job&>>::type;
  using given_next = std::invoke_result_t<Next&>;
  using given_done = std::invoke_result_t<Done&, job, result>;

  batch_work(Next source, Done sink, Carry work)
      : next(std::move(source)), done(std::move(sink)), carry(std::move(work)) {}

  Next next;
  Done done;
  Carry carry;
};

/// Keeps the counts of a batch.
class ZC_API batch_totals {
 public:
  batch_totals(const batch_options& options, std::uint64_t total_bytes) noexcept;

  /// False when the batch is to stop here.
  bool count(const transfer& ended) noexcept;
  void count_cancelled() noexcept;
  const batch_result& result() const noexcept { return result_; }

 private:
  batch_result result_;
  progress* seen_;
  bool stop_on_error_;
};

/// Throws std::invalid_argument for options that make no sense.
ZC_API void check(const batch_options& options);

/// A sum in which one to_end, or too much, makes to_end.
ZC_API std::uint64_t add_nbytes(std::uint64_t sum, std::uint64_t nbytes) noexcept;

/// A batch while it runs: workers, each of which takes one job after another.
///
/// A worker is started only while the source still had a job for the one before, so there are never
/// more of them than jobs (and one), unless next() is a task.
template <class Work>
class batch_runner final : public join {
 public:
  batch_runner(Work& work, const batch_options& options, const environment& env,
               std::uint64_t total_bytes)
      : work_(work), in_flight_(options.in_flight), env_(env), totals_(options, total_bytes) {
    scope_.go_below(env.cancel);
  }

  /// After `co_await` of it: what the batch did. Rethrows what a callable threw.
  batch_result result() const {
    if (error_) std::rethrow_exception(error_);
    return totals_.result();
  }

 private:
  using job = typename Work::job;
  using outcome = typename Work::result;
  static constexpr bool next_is_task = given<typename Work::given_next>::later;
  static constexpr bool done_is_task = given<typename Work::given_done>::later;

  void start_children() override {
    while (workers_.size() < in_flight_ && !exhausted_ && !stopped()) {
      try {
        workers_.push_back(run_jobs());
      } catch (const std::bad_alloc&) {
        // Those that run must be awaited; and fewer do the same work.
        if (workers_.empty()) throw;
        return;
      }
      start(workers_.back().promise(), &scope_);
    }
    if (workers_.empty() && stopped()) count_cancelled();
  }

  void one_done(promise_base& worker) noexcept override {
    if (!worker.error()) return;
    // A callable that awaited something when the batch was cancelled.
    if (stopped() && is_cancellation(worker.error())) count_cancelled();
    keep_first(error_, worker.error(), stopped());
    if (error_) scope_.request();
  }

  bool stopped() const noexcept { return scope_.requested(); }

  task<> run_jobs() {
    for (;;) {
      co_await turn_share(*env_.where);
      std::optional<job> one;
      if constexpr (next_is_task) {
        const limiter::pass only = co_await asking_.enter();
        if (exhausted_ || cut_short()) co_return;
        one = co_await std::invoke(work_.next);
        exhausted_ = !one.has_value();
      } else {
        if (exhausted_ || cut_short()) co_return;
        one = std::invoke(work_.next);
        exhausted_ = !one.has_value();
      }
      if (!one) co_return;
      outcome ended;
      try {
        ended = co_await std::invoke(work_.carry, *one);
      } catch (const std::bad_alloc&) {  // of its first frame: nothing has moved
        ended.reason = stop_reason::failed;
        ended.error = errno_code(ENOMEM);
        ended.side = side::zc;
      }
      if (!totals_.count(ended)) scope_.request();
      if constexpr (done_is_task) {
        co_await std::invoke(work_.done, std::move(*one), std::move(ended));
      } else {
        std::invoke(work_.done, std::move(*one), std::move(ended));
      }
    }
  }

  /// Whether to leave the jobs that are left alone: then the batch says so.
  bool cut_short() noexcept {
    if (stopped()) count_cancelled();
    return stopped();
  }

  void count_cancelled() noexcept {
    totals_.count_cancelled();
    scope_.observe();
  }

  Work& work_;
  std::size_t in_flight_;
  environment env_;
  batch_totals totals_;
  limiter asking_{1};
  std::vector<task<>> workers_;
  std::exception_ptr error_;
  bool exhausted_ = false;
  cancel_scope scope_;
};

template <class Next, class Done, class Carry>
task<batch_result> run_batch(batch_work<Next, Done, Carry> work, batch_options options,
                             std::uint64_t total_bytes = to_end) {
  check(options);
  const environment env = co_await this_environment{};
  batch_runner<batch_work<Next, Done, Carry>> all(work, options, env, total_bytes);
  co_await all;
  co_return all.result();
}

}  // namespace zc::detail
