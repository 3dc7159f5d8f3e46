#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <system_error>

#include "engine/loop.hpp"
#include "transfer/aligned_memory.hpp"
#include "transfer/leased_pipe.hpp"
#include "transfer/move.hpp"
#include "transfer/sink.hpp"
#include "transfer/source.hpp"
#include "transfer/transfer_service.hpp"
#include "zc/counters.hpp"
#include "zc/detail/endpoint.hpp"
#include "zc/splice.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace zc::detail {

class pump;

/// Is told how a transfer goes on: a relay.
class observer {
 public:
  /// `out` has accepted bytes.
  virtual void moved(const pump& by) noexcept = 0;
  /// It is about to wait for `out`. Meanwhile it does not learn what becomes of `in`.
  virtual void waits_for_out(const pump& by) noexcept = 0;

 protected:
  ~observer() = default;
};

/// What must happen before a transfer can go on.
struct step {
  enum class kind : std::uint8_t {
    again,  // nothing: it can go on at once
    end,    // it has ended
    turn,   // others have their turn
    poll,   // its descriptor `fd` is ready for `events`
    move,   // the engine has made pump::pending()
    pause,  // some time has passed: a descriptor says that it is ready, and does not move
  };
  kind what = kind::again;
  side of = side::none;  // poll: which end it is
  int fd = -1;
  short events = 0;
};

/// One transfer while it runs: a source, a sink, and a carrier, which holds the bytes in between.
///
/// A carrier is a pipe of zc's or memory; where sendfile(2) serves the pair, or one end is a pipe
/// of the caller's, there is none. It is filled only when it is empty: then EAGAIN speaks of the
/// source, and no drain waits behind a fill. Invariant at every suspension: taken == moved + what
/// the carrier holds.
///
/// The pump itself never waits. advance() makes the system calls that cannot block, and says what
/// has to happen before the next one; whoever sees to that reports it, and calls advance() again.
class pump {
 public:
  /// `options` outlive it. Only the first in a context can throw: std::bad_alloc.
  pump(const splice_options& options, environment where)
      : asked(options), env(where), shared_(transfer_service::of(*where.where)) {}

  source in;
  sink out;
  const splice_options& asked;
  environment env;
  transfer done;
  observer* seen_by = nullptr;

  bool forced() const noexcept { return asked.route != route::automatic; }
  bool has(splice_flags flag) const noexcept { return (asked.flags & flag) != splice_flags::none; }
  bool cancelled() const noexcept { return env.cancel->requested(); }
  bool over() const noexcept { return over_; }
  transfer_service& shared() const noexcept { return shared_; }
  ring& kernel() const noexcept { return loop::of(*env.where).kernel(); }
  counters& count() const noexcept { return loop::of(*env.where).count(); }

  /// Chooses the way. After in, out and asked are set.
  void start() noexcept;
  /// Begins with bytes that were taken before: they are in the carrier.
  void start_with(remainder bytes) noexcept;

  /// Moves what can move now, as long as the turn's budget lasts.
  step advance() noexcept;

  /// The call that step::kind::move is about.
  const move& pending() const noexcept { return pending_; }
  /// Reports that it is under way, and then how it has ended.
  void begun() noexcept { between_.busy = true; }
  step moved(const result<std::size_t>& count) noexcept;
  /// Reports what poll(2) has said of the end that step::kind::poll is about.
  step polled(side of, const result<unsigned>& events) noexcept;
  /// Reports the end of a pause.
  step paused(std::error_code error) noexcept;

  /// For a tee, whose source and targets are pumps of their own: one that takes, and one for each
  /// target, which gives what the tee puts into its carrier.
  ///
  /// take_piece() takes until the carrier holds something, or the source has ended: then it says
  /// step::kind::end.
  step take_piece() noexcept;
  void take_most(std::size_t nbytes) noexcept { most_ = nbytes; }
  bool carries() const noexcept { return between_.holds > 0 || !memory_.empty(); }
  leased_pipe& pipe() noexcept { return between_; }
  remainder& memory() noexcept { return memory_; }
  void drop_memory() noexcept;
  /// The next bytes, for this target, were taken.
  void begin_piece(std::size_t nbytes) noexcept;
  /// They are in its pipe.
  step give_pipe() noexcept;
  /// They are in memory that others need too: gives what goes at once, and keeps a copy of the
  /// rest.
  step give_copy(std::span<const std::byte> bytes) noexcept;

  /// Accounts for bytes that have moved some other way.
  void took(std::size_t nbytes) noexcept;
  void gave(std::size_t nbytes, route how) noexcept;

  /// Ends the transfer at an error: EAGAIN is would_block, ECANCELED is cancelled.
  void stop(std::error_code error, side where) noexcept;
  /// Ends it, and takes what the carrier holds into done.remainder.
  void finish() noexcept;
  /// Undoes an end by stop_reason::complete, where more is to be moved after all.
  void go_on() noexcept { over_ = false; }

 private:
  enum class way : std::uint8_t {
    sendfile,  // file to socket
    splice,    // one end is a pipe of the caller's
    pipe,      // by way of a pipe of zc's
    memory,    // by way of memory
  };

  /// Of a tee: it has no sink.
  bool only_takes() const noexcept { return out.end.fd < 0; }
  bool ends() noexcept;
  step take() noexcept;
  step give() noexcept { return between_.holds > 0 ? drain() : write(); }
  void end(stop_reason why) noexcept;

  // pump_ways.cpp: which way.
  bool is_direct(const endpoint& end) const noexcept;
  bool must_copy() const noexcept;
  bool may_copy_little() const noexcept;
  bool suits_sendfile() const noexcept;
  bool is_little_for_blocking() const noexcept;
  way splicing_way() const noexcept;
  void enter(way next) noexcept;
  void copy_from_now_on() noexcept;
  void copy_one_piece() noexcept;
  void bring_to_memory() noexcept;

  // pump_waits.cpp: waiting, and what to make of errors.
  step ask(side of) noexcept;
  step failed(std::error_code error, side where, bool spliced) noexcept;
  step spins() noexcept;

  // pump_splice.cpp: without copying.
  step send_file() noexcept;
  step splice_across() noexcept;
  step spliced_across(const result<std::size_t>& count) noexcept;
  step fill() noexcept;
  step filled(const result<std::size_t>& count) noexcept;
  step drain() noexcept;
  step drained(const result<std::size_t>& count) noexcept;
  step source_ended() noexcept;
  bool takes_directly(std::size_t nbytes) noexcept;
  bool more_follows(std::uint64_t at_hand, std::uint64_t to_take) const noexcept;
  std::size_t take_limit_bytes() const noexcept;
  std::uint64_t at_hand_bytes() const noexcept;

  // pump_copy.cpp: by way of memory.
  step read() noexcept;
  step read_part(std::size_t nbytes) noexcept;
  step part_was_taken(const result<std::size_t>& count) noexcept;
  step read_into_own(std::size_t nbytes, bool direct) noexcept;
  step read_into_scratch(std::size_t nbytes) noexcept;
  step was_read(const result<std::size_t>& count) noexcept;
  step write() noexcept;
  step written(const result<std::size_t>& count) noexcept;
  move read_move(std::byte* memory, std::size_t nbytes) const noexcept;
  move write_move(std::span<const std::byte> bytes, bool more) const noexcept;
  bool reads_directly() const noexcept;
  bool writes_directly() const noexcept;
  bool keep(std::span<const std::byte> bytes) noexcept;

  transfer_service& shared_;
  move pending_;
  leased_pipe between_;     // the carrier, where it is a pipe
  remainder memory_;        // the carrier, where it is memory
  aligned_memory reading_;  // what a read that is under way reads into
  std::size_t most_ = std::numeric_limits<std::size_t>::max();  // to take at a time
  std::size_t wanted_ = 0;  // how much of that is for this transfer
  way way_ = way::splice;
  unsigned fruitless_ = 0;  // moves in a row that would have blocked
  bool over_ = false;
  bool copies_ = false;      // to the end: a descriptor cannot be spliced
  bool one_piece_ = false;   // way::memory serves one piece, then another way
  bool copied_ = false;      // that piece
  bool light_ = false;       // what the pipe holds is so little that a copy would be cheaper
  bool direct_ = false;      // the pending move was made on this thread
  bool fill_direct_ = true;  // the last fill was
  bool more_ = false;        // the pending move says that more follows
  bool sendfile_refused_ = false;
  bool in_parts_ = false;         // the pending move is a part of a packet, on its way to memory
  bool parts_by_engine_ = false;  // splice(2) may not be called on this thread
};

/// Sees to a step that is a turn, a move or a pause, and says what is next.
task<step> see_to(pump& one, step::kind what);

/// Sees to what a pump says has to happen, until its transfer has ended; `next` is what it said
/// last.
task<> run(pump& one, step next);

/// The same until pump::take_piece() has ended.
task<> run_to_piece(pump& one);

/// Begins to move, whatever the way: the first system calls of most transfers are their last.
/// step::kind::again is what move_rest() goes on from then.
step begin_to_move(pump& one) noexcept;
task<> move_rest(pump& one, step next);

}  // namespace zc::detail
