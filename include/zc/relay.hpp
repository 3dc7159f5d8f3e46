#pragma once

#include <chrono>
#include <type_traits>
#include <vector>

#include "zc/detail/export.hpp"
#include "zc/task.hpp"
#include "zc/transfer.hpp"

namespace zc {

/// One end of a relay: what it reads from and what it writes to. A socket or a tty is both;
/// standard input and output, or the pipes of a child, are `{0, 1}`.
struct relay_end {
  relay_end(int both) noexcept : in(both), out(both) {}  // NOLINT(google-explicit-constructor)
  relay_end(int read_from, int write_to) noexcept : in(read_from), out(write_to) {}

  int in;
  int out;
};

/// What a relay did, each way.
struct [[nodiscard]] relay_result {
  transfer a_to_b;
  transfer b_to_a;

  /// For zc::timeout(): what the deadline cut short says so, and keeps its counts.
  friend void time_out(relay_result& done) noexcept;
  /// For zc::left_behind: what has a remainder.
  friend void give_bytes(relay_result& from, std::vector<transfer>& to);
};
ZC_API void time_out(relay_result& done) noexcept;
ZC_API void give_bytes(relay_result& from, std::vector<transfer>& to);

/// How to relay. Designated initialisers: `{.idle_timeout = 30s}`.
struct relay_options {
  /// Ends the relay when for so long neither `out` has accepted a byte; the longest there is:
  /// never. A peer that has stopped reading, or that half-closed and never ends, holds a relay
  /// without one for ever.
  std::chrono::nanoseconds idle_timeout = std::chrono::nanoseconds::max();
  /// Ends the relay when it has lasted so long, whatever it does.
  std::chrono::nanoseconds total_timeout = std::chrono::nanoseconds::max();
  /// As for splice(): which way the bytes go.
  zc::route route = zc::route::automatic;
  /// Kept up to date while the relay runs, if not null. Must outlive it.
  zc::progress* progress_a_to_b = nullptr;
  zc::progress* progress_b_to_a = nullptr;
};
// GCC 12 destroys a non-trivial aggregate twice when it is written inside a co_await expression.
static_assert(std::is_trivially_destructible_v<relay_options>);
static_assert(std::is_trivially_destructible_v<relay_end>);

/// Moves bytes both ways between `a` and `b` until each of them has said its last; resumes with
/// what happened each way, and never throws for I/O.
///
/// All descriptors stay the caller's, unchanged, and must stay open until the call resumes: closing
/// them is what ends the connections. Blocking or not makes no difference.
///
/// - End of file from one end (of a pty's master too, as in splice()) is passed on to the other as
///   shutdown(SHUT_WR), after the last byte was accepted, and the other way goes on:
///   stop_reason::end_of_file. To what is no socket it cannot be passed on (only closing a pipe
///   would, and it is the caller's); that is no error.
/// - An error stops both: the way that met it has failed, with its error and side; the other one is
///   cancelled, with exact counts and its remainder. A peer that is gone for good is noticed even
///   while nobody reads from it or writes to it. What it had sent before still goes on to the other
///   end, as long as that takes at least a byte a second; then that way ends by itself.
/// - At idle_timeout or total_timeout, what has not ended has timed_out. zc::timeout() around it
///   does the same, and cancelling it is safe at any moment.
///
/// An idle relay holds no pipe, no kernel worker and no buffer, and wakes up once per idle_timeout.
/// Where one end has half-closed and the other has not, it holds one descriptor of its own (an
/// epoll set), and as splice() another one; where none is to be had, the death of that end is
/// noticed with the next byte for it.
/// Refused before a byte moves: as splice(), either way; EINVAL where both ends read from the same
/// descriptor. Datagram sockets have no end.
///
/// Needs Linux 6.1. See splice(2), shutdown(2).
ZC_API task<relay_result> relay(relay_end a, relay_end b, relay_options options = {});

}  // namespace zc
