#pragma once

#include <fcntl.h>

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "zc/batch.hpp"
#include "zc/detail/batch_runner.hpp"
#include "zc/detail/export.hpp"
#include "zc/detail/limiter.hpp"
#include "zc/detail/named.hpp"
#include "zc/splice.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace zc {

/// A transfer between two files that are opened for it, and closed after it.
///
/// With GCC 12 do not write one with braces inside a co_await expression: it is destroyed twice.
struct path_job {
  /// Path of the source. Empty: `in_at` itself is the source, and stays open.
  std::string in;
  /// Path of the target. Empty: `out_at` itself is the target, and stays open.
  std::string out;
  /// The directories that relative paths start from, as in openat(2).
  int in_at = AT_FDCWD;
  int out_at = AT_FDCWD;
  /// Flags of openat(2); O_CLOEXEC is always added. Add O_EXCL to `out_flags` so that no file is
  /// overwritten, O_NOFOLLOW so that no symbolic link is followed.
  int in_flags = O_RDONLY;
  int out_flags = O_WRONLY | O_CREAT | O_TRUNC;
  /// Mode of a file that is created, less the process's umask.
  unsigned mode = 0666;
  splice_options options;
};

/// The call that a path_job failed in.
enum class path_call : std::uint8_t { none, open_in, open_out, splice, close_out };

/// What a path_job did: a transfer, whose counts are exact wherever it failed.
///
/// Where a file could not be opened, `error` is that of openat(2), and `side` says which one.
struct [[nodiscard]] path_transfer : transfer {
  path_call call = path_call::none;  // set when reason is failed
};

/// What failed, on which path: `openat: dir/name: No such file or directory`. Empty where nothing
/// did. A descriptor instead of a path is named by its number.
ZC_API std::string describe(const path_job& job, const path_transfer& result);

namespace detail {

class small_copies;

/// How many jobs of one batch may have files open at once: all, until there is no descriptor left.
class ZC_API descriptor_budget {
 public:
  explicit descriptor_budget(std::size_t in_flight);
  ~descriptor_budget();

  /// Opens, splices and closes. What finds no descriptor (EMFILE, ENFILE) gives back those it has
  /// and tries again when another job of the batch has ended; it fails where none is left.
  task<path_transfer> carry(const path_job& job);

  /// How many may run at once now.
  std::size_t limit() const noexcept { return jobs_.limit(); }

 private:
  void narrow() noexcept;
  void widen() noexcept;

  std::size_t most_;
  std::size_t ended_in_a_row_ = 0;
  limiter jobs_;
  std::unique_ptr<small_copies> small_;
};

/// The batch's callables, and the budget that its jobs share.
template <class Next, class Done>
task<batch_result> run_paths(Next next, Done done, batch_options options) {
  descriptor_budget budget(options.in_flight);
  const auto carry = [&budget](const path_job& job) { return budget.carry(job); };
  batch_work work(std::move(next), std::move(done), carry);
  co_return co_await run_batch(std::move(work), options);
}

}  // namespace detail

/// Opens, splices and closes many pairs of files, at most `in_flight` at a time; resumes with what
/// each did, in the order of the jobs.
///
/// As splice_batch(), of which all holds here too: one failure stops only its own job, a cancelled
/// batch resumes with exact counts, `jobs` is taken by value. Each job is a chain of openat(2)
/// twice, try_splice() and close(2) twice, all on the ring; what was opened is always closed.
/// path_transfer::call says which of them failed; a failed close of `out` is a failed job, as some
/// file systems tell of lost bytes only then.
///
/// A regular file of up to 64 KiB that goes into a new file, by a job with default options, is read
/// and written by one of the context's threads, many such jobs in one hand-over; a cancellation
/// lets the one that is being copied end.
///
/// Where the process has no descriptors left (EMFILE, ENFILE) a job waits until others of the batch
/// have closed theirs, and fewer run at once from then on, for a while; it fails with that error
/// only where it is the only one. Then it may have opened `in` more than once.
///
/// A target that is the very file that it is filled from (by any name) is EINVAL instead of being
/// truncated. A job that fails or is cancelled leaves its target with the bytes that had moved.
/// Modes, owners and times are not copied. A FIFO is opened without waiting, see op::openat.
///
/// Needs Linux 6.1, and /proc for targets that exist and are to be truncated.
ZC_API task<std::vector<path_transfer>> splice_paths(std::vector<path_job> jobs,
                                                     batch_options options = {});

/// The same for paths that need not be in memory at once; see splice_batch() for the two callables:
/// here they are about path_job, or what is derived from it, and path_transfer.
template <class Next, class Done>
  requires detail::gives_jobs<Next, path_job> &&
           std::invocable<Done&, detail::job_of<Next>, path_transfer>
task<batch_result> splice_paths(Next&& next, Done&& done, batch_options options = {}) {
  detail::refuse_temporaries<Next, Done>();
  return detail::run_paths<std::decay_t<Next>, std::decay_t<Done>>(
      std::forward<Next>(next), std::forward<Done>(done), options);
}

}  // namespace zc
