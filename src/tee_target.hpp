#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <system_error>

#include "endpoint.hpp"
#include "pipe_pool.hpp"
#include "ring.hpp"
#include "zc/detail/breather.hpp"
#include "zc/detail/scheduler.hpp"
#include "zc/result.hpp"
#include "zc/splice.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace zc::detail {

/// One target's pipe: a loan from the pool, and how many bytes are in it.
class tee_pipe {
 public:
  tee_pipe() noexcept = default;
  tee_pipe(const tee_pipe&) = delete;
  tee_pipe& operator=(const tee_pipe&) = delete;
  ~tee_pipe() { give_back(); }

  /// False where none is to be had.
  bool take(pipe_pool& from);
  /// One that is not empty is closed.
  void give_back() noexcept;

  int read_end() const noexcept { return pipe_->read_end.get(); }
  int write_end() const noexcept { return pipe_->write_end.get(); }
  std::size_t capacity_bytes() const noexcept { return pipe_->capacity_bytes; }

  /// Moves what is in the pipe into memory, behind the `bytes` there. Leaves in the pipe what it
  /// cannot move, and says why.
  std::error_code read_back(ring& kernel, remainder& bytes) noexcept;

  std::size_t holds = 0;
  bool busy = false;  // a splice into it is under way

 private:
  pipe_pool* from_ = nullptr;
  std::optional<pipe> pipe_;
};

/// One target of a tee. What it is to get next is in its pipe, or in memory that all share.
struct tee_target {
  int fd = -1;
  std::optional<endpoint> out;  // if it is one that splice() would accept
  std::int64_t at = 0;          // where to write next, as splice_options::out_offset
  bool live = true;             // no end yet
  transfer done;
  tee_pipe pipe;

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
