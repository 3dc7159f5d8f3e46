#pragma once

#include <concepts>
#include <type_traits>
#include <utility>
#include <vector>

#include "zc/batch.hpp"
#include "zc/detail/batch_runner.hpp"
#include "zc/detail/export.hpp"
#include "zc/detail/named.hpp"
#include "zc/splice.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace zc {

/// One transfer of a batch: the arguments of try_splice().
struct splice_job {
  int in = -1;
  int out = -1;
  splice_options options;
};

namespace detail {

inline constexpr auto carry_splice = [](const splice_job& job) {
  return try_splice(job.in, job.out, job.options);
};

}  // namespace detail

/// Runs many transfers, at most `in_flight` at a time; resumes with what each did, in the order of
/// the jobs.
///
/// A job that fails stops only itself (but see batch_options::stop_on_error). The transfers are
/// those of try_splice(), on the calling context's thread; what they submit in one turn of the loop
/// goes to the kernel in one io_uring_enter(2). The same descriptor may be in several jobs: they
/// run at once and in any order, so let each have a range of its own.
///
/// Never throws for I/O, and cancelled it resumes all the same: each transfer says whether it is
/// complete or cancelled, with exact counts and its remainder; those that had not begun are
/// cancelled, with 0 bytes. Under timeout() those that the deadline cut short are timed_out.
///
/// `jobs` is taken by value: the task owns it. It and the results are all of what the memory in
/// use depends on beside `in_flight`; the form with callables does without them.
///
/// Every descriptor of the vector stays open, and in the mode it is in, until the batch resumes:
/// what several jobs read from or write to may be asked what it is for the first of them only. A
/// file that becomes shorter between its jobs then may end a job early, as if it had done so during
/// that job.
///
/// Needs Linux 6.1. Throws std::invalid_argument for an `in_flight` of 0, std::bad_alloc where
/// there is no memory to begin with; a job that finds none later fails with ENOMEM.
ZC_API task<std::vector<transfer>> splice_batch(std::vector<splice_job> jobs,
                                                batch_options options = {});

/// The same for jobs that need not be in memory at once, as for millions of files: the memory in
/// use depends on `in_flight` and not on their number. Resumes with the counts of all.
///
/// `next()` gives a std::optional of the next job, and nothing when there are no more: it is not
/// called again then. It may be a coroutine, a task<std::optional<...>>: then it is not called
/// again before it has ended. Jobs are of type splice_job or derived from it, so that what
/// belongs to one goes with it: the fd that it is to close, a name, a number.
///
/// `done(job&&, transfer&&)` is called once for each job that next() gave, as soon as it has ended,
/// in any order; also for those that were cancelled, whose remainder nobody else has. It may be a
/// task<>: then the next job in this one's place waits for it, and up to `in_flight` of them run at
/// once.
///
///     struct sending : zc::splice_job { zc::fd file; };
///     const auto next = [&]() -> std::optional<sending> { ... };
///     const auto done = [&](sending&& job, zc::transfer&& result) { ... };
///     const zc::batch_result all = co_await zc::splice_batch(next, done, {.in_flight = 16});
///
/// Both are moved or copied into the task (std::ref keeps one outside), and run on the context's
/// thread. What either throws cancels the rest and is rethrown when all have ended: of several the
/// first. Cancelled, the batch does not ask for more jobs and resumes with reason cancelled (under
/// timeout() timed_out); that a callable then throws ECANCELED is no news, unless it owns
/// bytes (see left_behind). Where the callables own something, name them before the co_await
/// expression, as here: GCC 12 destroys a temporary there twice, and so does not compile one.
template <class Next, class Done>
  requires detail::gives_jobs<Next, splice_job> &&
           std::invocable<Done&, detail::job_of<Next>, transfer>
task<batch_result> splice_batch(Next&& next, Done&& done, batch_options options = {}) {
  detail::refuse_temporaries<Next, Done>();
  return detail::run_batch(
      detail::batch_work<std::decay_t<Next>, std::decay_t<Done>,
                         std::remove_const_t<decltype(detail::carry_splice)>>(
          std::forward<Next>(next), std::forward<Done>(done), detail::carry_splice),
      options);
}

}  // namespace zc
