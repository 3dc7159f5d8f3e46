#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "transfer/peer_death.hpp"
#include "transfer/relaying.hpp"
#include "zc/detail/errno_code.hpp"
#include "zc/timeout.hpp"

// How a relay learns that an end is gone, and how long it goes on then: its clock.

namespace zc::detail {

namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

// How long what a dead peer had sent before may wait for the other end to take a byte of it, be it
// from this relay or from the kernel, which makes no room for more before there is much.
constexpr std::chrono::seconds linger_limit(1);

steady_clock::time_point later(steady_clock::time_point from, nanoseconds by) noexcept {
  return from + std::min<steady_clock::duration>(by, steady_clock::time_point::max() - from);
}

}  // namespace

int not_taken(int fd) noexcept {
  int bytes = 0;
  return ::ioctl(fd, SIOCOUTQ, &bytes) < 0 ? 0 : bytes;
}

void relaying::source_ended(std::size_t way) noexcept {
  transfer& writer = done(other(way));
  if (dead_ == way && writer.reason == stop_reason::failed &&
      writer.error != std::errc::broken_pipe) {
    // Whoever wrote to it took the error that reading would have met: this was no end.
    done(way).reason = stop_reason::failed;
    done(way).error = writer.error;
    done(way).side = side::in;
    return;
  }
  if (!over_[other(way)] && !was_shut_[way] && was_reset(in_of(way))) {
    // The same, where the writer has not said so yet.
    const std::error_code error = death_of(in_of(way), ECONNRESET);
    if (error != std::errc::broken_pipe) {
      done(way).reason = stop_reason::failed;
      done(way).error = error;
      done(way).side = side::in;
      way_failed(way);
      return;
    }
    end_died(way);  // having said its last before
  }
  // Never sleeps. What cannot be told the end this way is no socket, or has gone already.
  ::shutdown(out_of(way), SHUT_WR);
}

void relaying::way_failed(std::size_t way) noexcept {
  const std::size_t end = other(way);
  const bool gone = done(way).side == side::out && (events_of(out_of(way)) & POLLHUP) != 0;
  if (gone && is_one_[end]) {
    linger_for(end);
  } else {
    stop();
  }
}

void relaying::end_died(std::size_t end) noexcept {
  way_scopes_[other(end)].request();
  linger_for(end);
  // What is read for it from elsewhere is nothing that it had sent.
  if (!is_one_[end]) stop();
  wake();
}

void relaying::linger_for(std::size_t end) noexcept {
  if (dead_) {
    if (dead_ != end) stop();  // both are gone
    return;
  }
  dead_ = end;
  died_ = steady_clock::now();
  not_taken_ = not_taken(out_of(end));
}

steady_clock::time_point relaying::linger_end() const noexcept {
  if (!dead_ || over_[*dead_]) return steady_clock::time_point::max();
  return later(std::max(died_, last_moved_), linger_limit);
}

nanoseconds relaying::time_left() const noexcept {
  if (stopped_ || (over_[0] && over_[1])) return nanoseconds::max();
  const auto due = std::min({later(last_moved_, options_.idle_timeout),
                             later(began_, options_.total_timeout), linger_end()});
  if (due == steady_clock::time_point::max()) return nanoseconds::max();
  return due - steady_clock::now();
}

bool relaying::is_slow_but_alive() noexcept {
  const int before = std::exchange(not_taken_, not_taken(out_of(*dead_)));
  if (not_taken_ >= before) return false;
  died_ = steady_clock::now();
  return true;
}

void relaying::look_at_clock() noexcept {
  if (time_left() > nanoseconds::zero()) return;
  expired_ = linger_end() > steady_clock::now();
  if (!expired_ && is_slow_but_alive()) return;
  stop();
}

/// Says whose failure it was that an end died, where no transfer met it itself.
void relaying::name_the_dead() noexcept {
  if (!dead_) return;
  for (const transfer* each : {&done_.a_to_b, &done_.b_to_a}) {
    if (each->reason == stop_reason::failed) return;
  }
  const bool reading = done(other(*dead_)).reason != stop_reason::cancelled;
  transfer& met = reading ? done(*dead_) : done(other(*dead_));
  if (met.reason != stop_reason::cancelled) return;
  met.reason = stop_reason::failed;
  met.error = death_of(ends_[*dead_].out, reading ? ECONNRESET : EPIPE);
  met.side = reading ? side::in : side::out;
}

}  // namespace zc::detail
