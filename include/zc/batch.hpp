#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "zc/transfer.hpp"

namespace zc {

/// How many jobs run at once, and what their failures do: for splice_batch() and splice_paths().
struct batch_options {
  /// Most jobs at a time; 0 is std::invalid_argument. More than run at once cost what a job costs
  /// while it waits: some KiB, and a descriptor or two where it opens its own.
  std::size_t in_flight = 64;
  /// Whether the first job that fails cancels the rest. One that was cancelled or would block has
  /// not failed.
  bool stop_on_error = false;
  /// Kept up to date for the whole batch as each job ends, if not null: `moved` is what the jobs
  /// moved that have ended; `total` what all are to move, where it is known before they begin (a
  /// vector of jobs that each say nbytes), else to_end. Must outlive the batch. A job may have one
  /// of its own in its splice_options.
  zc::progress* progress = nullptr;
};
static_assert(std::is_trivially_destructible_v<batch_options>);

/// What a batch did.
struct [[nodiscard]] batch_result {
  std::uint64_t jobs = 0;    // that were begun, and so have ended
  std::uint64_t failed = 0;  // of them, with stop_reason::failed
  std::uint64_t moved = 0;   // bytes that `out` of all of them accepted
  /// complete: every job there was has run to its own end, failed or not. failed: stopped at the
  /// first failure, see batch_options::stop_on_error. cancelled, timed_out: cut short from outside.
  stop_reason reason = stop_reason::complete;

  /// For timeout(), which so resumes with the counts.
  friend void time_out(batch_result& what) noexcept {
    if (what.reason == stop_reason::cancelled) what.reason = stop_reason::timed_out;
  }
};

}  // namespace zc
