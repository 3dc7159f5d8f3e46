#pragma once

#include <cstdint>
#include <optional>
#include <system_error>

#include "engine/uring/ring.hpp"
#include "transfer/leased_pipe.hpp"
#include "zc/detail/endpoint.hpp"
#include "zc/detail/scheduler.hpp"
#include "zc/result.hpp"
#include "zc/splice.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace zc::detail {

/// One target of a tee. What it is to get next is in its pipe, or in memory that all share.
struct tee_target {
  int fd = -1;
  std::optional<endpoint> out;  // if it is one that splice() would accept
  std::int64_t at = 0;          // where to write next, as splice_options::out_offset
  bool live = true;             // no end yet
  transfer done;
  leased_pipe pipe;

  /// Ends it: EAGAIN is would_block, ECANCELED is cancelled.
  void end(std::error_code error, side where) noexcept;
  void end(stop_reason why) noexcept;

  /// Ends it in the middle of a piece: it keeps `left`, and what is in its pipe behind that.
  void end_with(std::error_code error, side where, remainder left, ring& kernel) noexcept;

  /// Takes down what try_splice() made of what it was to get.
  void account(transfer delivered, ring& kernel) noexcept;
};

/// A copy in memory of its own, at a block's boundary as O_DIRECT wants it; ENOMEM.
result<remainder> copy_of(const remainder& bytes) noexcept;

/// Delivers what is in the target's pipe or else, where there is any, a copy of `piece`.
task<> deliver(tee_target& to, const remainder& piece, splice_flags flags, environment env);

}  // namespace zc::detail
