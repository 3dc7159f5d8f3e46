#pragma once

#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "zc/detail/export.hpp"
#include "zc/splice.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace zc {

/// What to duplicate, and how. Designated initialisers: `{.offset = 10, .nbytes = 20}`.
struct tee_options {
  /// As splice_options::offset: the first byte of a seekable `in`, absolute, or file_position.
  std::int64_t offset = 0;
  /// As splice_options::nbytes: how many bytes every target gets.
  std::uint64_t nbytes = to_end;
  /// nonblock: moves what can move now, and of a stream takes nothing while a target has no room.
  /// more: the caller will send more to each target after this call.
  splice_flags flags = splice_flags::none;
  /// As splice_options::out_offset: where to write in each target.
  std::int64_t out_offset = 0;
  /// Kept up to date while the call runs, if not null: `moved` is what every target that has not
  /// failed has accepted. Must outlive the call.
  zc::progress* progress = nullptr;
};
// GCC 12 destroys a non-trivial aggregate twice when it is written inside a co_await expression.
static_assert(std::is_trivially_destructible_v<tee_options>);

/// Moves bytes from `in` to every one of `outs`, any descriptors; resumes with what happened to
/// each, in their order.
///
/// Each target reads a regular file for itself, as by splice(): none waits for another, and each
/// has counts of its own. With file_position the position is advanced at the end, by the most that
/// a target has taken.
///
/// From all else each piece is taken once, for all targets, so the slowest sets the pace: none is
/// ahead of another by more than one pipe (or, copied, 64 KiB, or one message). The pages are
/// shared, as by tee(2), and copied where a descriptor cannot be spliced, where no pipe is to be
/// had, and where there are few bytes. A call uses two of context_options::pipes, one more for each
/// target that is behind, and none while `in` is idle.
///
/// A target that fails drops out, with its own error, and the others go on: its `taken` stays as it
/// was then, and its remainder has what was taken for it and not moved. When all have failed
/// nothing more is taken. `taken == moved + remainder.size()` holds for each; so does what transfer
/// says of an error on side::zc.
///
/// Nothing throws for I/O. A target that zc::splice() would refuse (closed, a directory, the pipe
/// that is `in`, a range of the file that is `in` which overlaps the source's, ...) has failed
/// before a byte moves, and so has one that is there already: the same descriptor, another of the
/// same pipe or socket, or one of the same file where both append or their ranges overlap (EINVAL,
/// side::out). An error of `in` is every target's, on side::in. Without targets nothing is checked
/// or taken.
///
/// All descriptors stay the caller's, unchanged, and must stay open until the call resumes.
/// Cancelling is safe at any moment, and timeout() makes each transfer that it cut short
/// `timed_out`. A vector is copied or moved into the call; one in braces must not be written inside
/// of a co_await expression, for GCC 12: name the task first.
///
/// Needs Linux 6.1. See tee(2), splice(2).
ZC_API task<std::vector<transfer>> tee(int in, std::vector<int> outs, tee_options options = {});

/// The same for arrays and spans, which need not outlive this call itself.
inline task<std::vector<transfer>> tee(int in, std::span<const int> outs,
                                       tee_options options = {}) {
  return tee(in, std::vector<int>(outs.begin(), outs.end()), options);
}

}  // namespace zc
