#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <system_error>

#include "core/timers.hpp"
#include "engine/direct_call.hpp"
#include "engine/loop.hpp"
#include "transfer/foreknowledge.hpp"
#include "transfer/transfer_service.hpp"
#include "zc/counters.hpp"
#include "zc/detail/breather.hpp"
#include "zc/detail/endpoint.hpp"
#include "zc/detail/operation.hpp"
#include "zc/fd.hpp"
#include "zc/splice.hpp"
#include "zc/transfer.hpp"

namespace zc::detail {

/// How a route left off.
enum class outcome : std::uint8_t {
  over,           // the transfer has ended: mover::done says how
  cannot_splice,  // a descriptor cannot be spliced: copy the rest
  copy_some,      // no pipe, or a socket that only recv(2) or send(2) gets past: copy one piece
  light,          // few bytes at a time between sockets: bounce them
  heavy,          // many at a time: splice them
};

/// What a route does after a move or a wait.
enum class verdict : std::uint8_t {
  go_on,
  retry,  // at once
  wait,   // until the descriptors are ready
  leave,  // the route is at its end
};

struct mover;

/// Who looks on while a transfer runs: a relay.
class onlooker {
 public:
  /// `out` has accepted bytes.
  virtual void has_moved(const mover& m) noexcept = 0;
  /// It is about to wait for `out`. Meanwhile it does not hear what becomes of `in`.
  virtual void waits_for_out(const mover& m) noexcept = 0;

 protected:
  ~onlooker() = default;
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
  remainder staged;          // taken, not moved, in memory
  bool corked = false;       // the last bytes went with SPLICE_F_MORE, but more need not follow
  bool half_closed = false;  // the peer of `out` says no more: see ready
  fd room_set;               // then: readable when `out` has room
  onlooker* seen_by = nullptr;

  /// Whether it has ended early, in whatever way.
  bool stopped() const noexcept { return done.reason != stop_reason::complete; }
  bool forced() const noexcept { return asked.route != route::automatic; }
  bool has(splice_flags flag) const noexcept { return (asked.flags & flag) != splice_flags::none; }
  bool cancelled() const noexcept { return env.cancel->requested(); }
  /// Only the first use in a context, which is before the transfer, can throw.
  transfer_service& shared() const noexcept { return transfer_service::of(*env.where); }
  pipe_pool& pipes() const noexcept { return shared().pipes; }
  ring& kernel() const noexcept { return loop::of(*env.where).kernel(); }

  std::span<std::byte> scratch() const noexcept { return shared().scratch(); }
  counters& count() const noexcept { return loop::of(*env.where).count(); }

  /// Whether a splice with this end, and a pipe at the other, is a system call on this thread: it
  /// never waits for more than memory.
  bool is_direct(const endpoint& end) const noexcept;
  /// The same for a splice of the next `nbytes` of `in`: a file's may be in memory.
  bool takes_directly(std::size_t nbytes) const noexcept;
  /// Whether the next `nbytes` of `in`, a file, can be read without waiting for its disk.
  bool is_in_memory(std::size_t nbytes) const noexcept;

  /// Whether bytes may bounce: both ends are sockets that give and take streams.
  bool may_bounce() const noexcept;

  void took(std::size_t nbytes) noexcept;
  void gave(std::size_t nbytes, route how) noexcept;

  /// Whether a move to `out` goes with SPLICE_F_MORE, when `at_hand` bytes beyond it are taken
  /// already and `to_take` are still in `in`: only while it is certain that more follows at once,
  /// as a tail sent with it waits 200 ms.
  bool more_follows(std::uint64_t at_hand, std::uint64_t to_take) const noexcept;

  /// True when there is nothing left to take, or the transfer is cancelled: sets the reason.
  bool over() noexcept;
  /// True when the transfer is cancelled: sets the reason.
  bool cut() noexcept;

  /// Ends the transfer at an error: EAGAIN is would_block, ECANCELED is cancelled.
  void stop(std::error_code error, side where) noexcept;

  /// What a splice that gave 0 bytes means: the end of `in`, or that it must be copied to tell.
  outcome source_ended() noexcept;

  /// What to do after a splice failed with `error`; where that is to leave, `left_off` says how.
  verdict judge_splice(std::error_code error, side where, outcome& left_off) noexcept;
  /// The same after a read or write (recv, send), which nothing can replace.
  verdict judge(std::error_code error, side where) noexcept;

  /// What to do after waiting for a descriptor gave `error`, or none.
  verdict judge_wait(std::error_code error, side where) noexcept;

  /// To be asked before each move from a source with message boundaries, and fails as that would:
  /// also with EMSGSIZE when the next message is longer than `room`, as its rest would be gone, and
  /// with EAGAIN when there is none. Takes nothing.
  std::error_code check_message(std::size_t room) const noexcept;

  /// How many bytes to take at a time: with splice_flags::nonblock no more than `out` has room for.
  std::size_t take_limit_bytes() const noexcept;

  /// Sends what the kernel holds back because of a SPLICE_F_MORE that nothing followed.
  void push_tail() const noexcept;
  /// The same before waiting for a blocking `out`, where that has no room.
  void push_what_fills() const noexcept;
  void push() const noexcept;

  /// Moves in a row that would have blocked.
  unsigned fruitless = 0;

  /// After one more of them: whether that repeats although both descriptors claim to be ready.
  bool spins() noexcept;
};

/// in → out by single splices: one of them is a pipe of the caller's.
task<outcome> hop(mover& m);

/// What send_at_once() sent of how much, and how.
struct sent_at_once {
  std::size_t nbytes = 0;
  std::size_t wanted = 0;
  route how = route::copy;
};
/// Sends a small part of a file that is in memory, to a socket, on this thread and without waiting,
/// after no more than the checks that this takes. It is for the caller to account for. Nothing is
/// sent where it takes a closer look at the descriptors, or where the transfer has stopped. `about`
/// becomes what fstat(2) said of `in`, if it was asked.
sent_at_once send_at_once(mover& m, int in, int out, const foreknowledge& known,
                          std::optional<struct stat>& about) noexcept;

/// try_splice() as one of a batch, whose descriptors stay what they are until all of it has ended.
task<transfer> try_splice_in_batch(int in, int out, splice_options options, batch_memory& seen);

/// try_splice() with somebody looking on.
task<transfer> try_splice_seen(int in, int out, splice_options options, onlooker& seen_by);

/// file → out by sendfile(2), piece by piece, as long as the pieces are in memory.
bool suits_send_file(const mover& m) noexcept;
task<outcome> send_file(mover& m);

/// in → our pipe → out.
task<outcome> through_pipe(mover& m);

/// in → the context's memory → out, on this thread, while that is the cheaper way.
task<outcome> bounce(mover& m);

/// in → memory → out, to the end; or, where not `to_the_end`, one buffer's worth.
task<outcome> copy(mover& m, bool to_the_end);

/// `co_await ready(m, end, POLLIN)`: waits for a descriptor, holding up neither the thread nor a
/// kernel worker. No error when it is ready; EAGAIN when it is not and the caller said nonblock;
/// EINTR when that is to be asked once more.
///
/// A poll on the ring ends with POLLRDHUP, asked for or not: where the peer has half-closed, that
/// says nothing about room. From then on the transfer waits for room with an epoll set of its own,
/// or, where none is to be had, asks again and again, with pauses.
class ready : public operation {
 public:
  ready(mover& m, const endpoint& end, short events) noexcept
      : mover_(m), end_(end), events_(events) {}
  bool await_ready() noexcept;
  std::error_code await_resume() noexcept;

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;
  bool for_room() const noexcept;

  mover& mover_;
  const endpoint& end_;
  short events_;
};

/// `co_await splice_once(...)`: one splice, as a system call (then it does not suspend) or on the
/// ring.
class splice_once : public operation_of<std::size_t> {
 public:
  splice_once(const mover& m, bool direct, int from, std::int64_t from_at, int to,
              std::int64_t to_at, std::size_t nbytes, bool more) noexcept;
  bool await_ready() noexcept;

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  ring& kernel_;
  splice_arguments asked_;
  bool direct_;
};

/// `co_await back_off(m)`, after a move that would have blocked: lets time pass when that repeats
/// although both descriptors claim to be ready. So no descriptor's whim makes a transfer spin. Then
/// EAGAIN where the caller said nonblock, or why it must not go on.
class back_off final : public timer {
 public:
  explicit back_off(mover& m) noexcept;
  bool await_ready() noexcept;
  std::error_code await_resume() noexcept;

 private:
  bool spins_;
  bool at_once_;
};

/// `co_await pause(m)`: what back_off() does where the transfer spins; in a frame that is there
/// only as long as that takes.
task<std::error_code> pause(mover& m);

}  // namespace zc::detail
