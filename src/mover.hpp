#pragma once

#include <cstddef>
#include <cstdint>
#include <system_error>

#include "endpoint.hpp"
#include "loop.hpp"
#include "zc/op/poll.hpp"
#include "zc/op/splice.hpp"
#include "zc/op/timeout.hpp"
#include "zc/splice.hpp"
#include "zc/transfer.hpp"

namespace zc::detail {

/// How a route left off.
enum class outcome : std::uint8_t {
  over,           // the transfer has ended: mover::done says how
  cannot_splice,  // a descriptor cannot be spliced: copy the rest
  no_pipe,        // none to be had right now: copy for a while
};

/// One transfer while it runs: where it stands, and the rules that every route shares.
///
/// The bytes between `in` and `out` are in one place at a time: in the pipe of through_pipe(), or
/// in `staged`. Invariant at every suspension: taken == moved + those bytes.
struct mover {
  endpoint in;
  endpoint out;
  std::int64_t in_at = 0;   // next offset, or file_position
  std::int64_t out_at = 0;  // next offset, or file_position
  std::uint64_t left = 0;   // bytes still to take
  splice_options asked;
  environment env;
  transfer done;
  remainder staged;     // taken, not moved, in memory
  bool corked = false;  // the last bytes went with SPLICE_F_MORE, but more need not follow

  bool forced() const noexcept { return asked.route != route::automatic; }
  bool has(splice_flags flag) const noexcept { return (asked.flags & flag) != splice_flags::none; }
  bool cancelled() const noexcept { return env.cancel->requested(); }
  pipe_pool& pipes() const noexcept { return loop::of(*env.where).pipes(); }

  /// Whether a splice with this end, and a pipe at the other, is a system call on this thread.
  bool is_direct(const endpoint& end) const noexcept;

  void took(std::size_t nbytes) noexcept;
  void gave(std::size_t nbytes, route how) noexcept;

  /// Whether a move to `out` goes with SPLICE_F_MORE, when `at_hand` bytes beyond it are taken
  /// already and `to_take` are still in `in`: only while it is certain that more follows at once,
  /// as a tail sent with it waits 200 ms.
  bool more_follows(std::uint64_t at_hand, std::uint64_t to_take) const noexcept;

  /// True when there is nothing left to take, or the transfer is cancelled: sets the reason.
  bool over() noexcept;

  /// Ends the transfer at an error: EAGAIN is would_block, ECANCELED is cancelled.
  void stop(std::error_code error, side where) noexcept;

  /// Ends the transfer because `in` gave 0 bytes, if that means its end.
  outcome source_ended() noexcept;

  /// Sends what the kernel holds back because of a SPLICE_F_MORE that nothing followed.
  void push_tail() const noexcept;

  /// Bytes and attempts since the loop last came round.
  std::uint64_t turn_bytes = 0;
  unsigned turn_attempts = 0;
  /// Moves in a row that would have blocked.
  unsigned fruitless = 0;
};

/// in → out by single splices: one of them is a pipe of the caller's.
task<outcome> hop(mover& m);

/// in → our pipe → out.
task<outcome> through_pipe(mover& m);

/// in → memory → out, to the end; or, where not `to_the_end`, one buffer's worth.
task<outcome> copy(mover& m, bool to_the_end);

/// What to make of a failed move.
enum class trouble : std::uint8_t { again, interrupted, cannot_splice, fatal };
trouble sort(std::error_code error) noexcept;

/// `co_await ready(m, end, POLLIN)`: waits for a descriptor, without one in kernel or thread's way.
/// No error when it is ready; EAGAIN when it is not and the caller said nonblock.
class ready : public op::poll {
 public:
  ready(const mover& m, const endpoint& end, short events) noexcept;
  bool await_ready() noexcept;
  std::error_code await_resume() noexcept;

 private:
  bool pollable_;
  bool at_once_;
  int fd_;
  short events_;
};

/// `co_await splice_once(...)`: one splice, as a system call (then it does not suspend) or on the
/// ring.
class splice_once : public op::splice {
 public:
  splice_once(const mover& m, bool direct, int from, std::int64_t from_at, int to,
              std::int64_t to_at, std::size_t nbytes, bool more) noexcept;
  bool await_ready() noexcept;

 private:
  const mover& mover_;
  bool direct_;
  int from_;
  int to_;
  std::int64_t from_at_;
  std::int64_t to_at_;
  std::size_t nbytes_;
  unsigned flags_;
};

/// `co_await breather(m)`, once before each attempt to move: goes round the loop when this transfer
/// has had its share of the turn.
class breather {
 public:
  explicit breather(mover& m) noexcept : mover_(m) { ++mover_.turn_attempts; }
  bool await_ready() const noexcept;
  template <class Promise>
  void await_suspend(std::coroutine_handle<Promise> self) const noexcept {
    mover_.env.where->post(self.promise());
  }
  void await_resume() const noexcept;

 private:
  mover& mover_;
};

/// `co_await back_off(m)`, after a move that would have blocked: lets time pass when that repeats
/// although both descriptors claim to be ready. So no descriptor's whim makes a transfer spin. Then
/// EAGAIN where the caller said nonblock, or why it must not go on.
class back_off : public op::timeout {
 public:
  explicit back_off(mover& m) noexcept;
  bool await_ready() noexcept;
  std::error_code await_resume() noexcept;

 private:
  bool spins_;
  bool at_once_;
};

}  // namespace zc::detail
