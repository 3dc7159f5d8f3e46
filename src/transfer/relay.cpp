#include "zc/relay.hpp"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "core/timers.hpp"
#include "transfer/mover.hpp"
#include "transfer/peer_death.hpp"
#include "zc/detail/breather.hpp"
#include "zc/detail/cancel.hpp"
#include "zc/detail/endpoint.hpp"
#include "zc/detail/errno_code.hpp"
#include "zc/detail/keep_first.hpp"
#include "zc/detail/promise.hpp"
#include "zc/fd.hpp"
#include "zc/left_behind.hpp"
#include "zc/op/poll.hpp"
#include "zc/timeout.hpp"

namespace zc {

namespace {

using detail::cancel_scope;
using detail::death_of;
using detail::endpoint;
using detail::errno_code;
using detail::events_of;
using detail::is_dead;
using detail::is_shut;
using detail::set_of_events;
using detail::take_event;
using detail::was_reset;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

// How long what a dead peer had sent before may wait for the other end to take a byte of it, be it
// from this relay or from the kernel, which makes no room for more before there is much.
constexpr std::chrono::seconds linger_limit(1);

/// How many bytes that were sent the peer has not taken; 0 of what cannot tell.
int not_taken(int fd) noexcept {
  int bytes = 0;
  return ::ioctl(fd, SIOCOUTQ, &bytes) < 0 ? 0 : bytes;
}

steady_clock::time_point later(steady_clock::time_point from, nanoseconds by) noexcept {
  return from + std::min<steady_clock::duration>(by, steady_clock::time_point::max() - from);
}

/// A relay while it runs: two transfers, and the time. Where no transfer would notice the death of
/// an end, as none waits for bytes from it, a look-out.
///
/// Ends are 0 and 1; way 0 reads from end 0 and writes to end 1, way 1 the other way round.
class relaying final : public detail::joiner, private detail::onlooker {
 public:
  relaying(detail::environment env, relay_end a, relay_end b, const relay_options& options) noexcept
      : env_(env), ends_{a, b}, options_(options) {
    for (cancel_scope& each : way_scopes_) each.go_below(env.cancel);
    // That nobody looks out any more is never why something ended.
    lookout_scope_.mute();
    lookout_scope_.go_below(env.cancel);
  }

  /// Waits for something to happen, or until the relay's time is over.
  class news final : public detail::timer {
   public:
    explicit news(relaying& of) noexcept : timer(of.time_left()), of_(of) {}
    bool await_ready() const noexcept { return of_.has_news_; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> self) noexcept {
      of_.waiter_ = &self.promise();
      of_.nap_ = this;
      // In a cancelled task it does not run: then what is cancelled with it ends the wait.
      start(self.promise());
    }
    void await_resume() noexcept {
      of_.waiter_ = nullptr;
      of_.has_news_ = false;
      of_.start_lookouts();
      of_.look_at_clock();
    }

   private:
    relaying& of_;
  };

  /// Before it is looked at, as one that is refused may be asked for again at once.
  detail::breather breathe() const noexcept {
    return detail::breather(*env_.where, env_.cancel->requested());
  }
  /// False where it is refused: the result says why.
  bool resolve() noexcept;
  void start();
  bool running() const noexcept { return running_ > 0; }
  relay_result take();

 private:
  static std::size_t other(std::size_t which) noexcept { return 1 - which; }
  transfer& done(std::size_t way) noexcept { return way == 0 ? done_.a_to_b : done_.b_to_a; }
  int in_of(std::size_t way) const noexcept { return ends_[way].in; }
  int out_of(std::size_t way) const noexcept { return ends_[other(way)].out; }

  void refuse(std::size_t way, std::error_code error, side where) noexcept;
  void start(detail::promise_base& child, cancel_scope& scope);
  void has_moved(const detail::mover&) noexcept override {
    last_moved_ = steady_clock::now();
    if (dead_) not_taken_ = not_taken(out_of(*dead_));
  }
  void waits_for_out(const detail::mover& m) noexcept override;
  void want_lookout(std::size_t end) noexcept;
  void start_lookouts() noexcept;
  static task<> look_out(relaying& of, std::size_t end);

  std::coroutine_handle<> child_done(detail::promise_base& child) noexcept override;
  void way_ended(std::size_t way) noexcept;
  void source_ended(std::size_t way) noexcept;
  void way_failed(std::size_t way) noexcept;
  void end_died(std::size_t end) noexcept;
  void linger_for(std::size_t end) noexcept;
  void stop() noexcept;
  void wake() noexcept;

  nanoseconds time_left() const noexcept;
  steady_clock::time_point linger_end() const noexcept;
  bool is_slow_but_alive() noexcept;
  void look_at_clock() noexcept;
  void name_the_dead() noexcept;

  detail::environment env_;
  std::array<relay_end, 2> ends_;
  const relay_options& options_;    // in the frame that this is in
  std::array<bool, 2> is_one_{};    // it reads from what it writes to, whatever the two numbers
  std::array<bool, 2> can_die_{};   // a socket with a connection
  std::array<bool, 2> was_shut_{};  // by the caller, for writing
  std::array<bool, 2> want_lookout_{};
  std::array<bool, 2> over_{};
  bool has_news_ = false;
  bool stopped_ = false;
  bool expired_ = false;
  std::optional<std::size_t> dead_;  // the end that is gone, and may have left bytes
  steady_clock::time_point began_ = steady_clock::now();
  steady_clock::time_point last_moved_ = began_;
  steady_clock::time_point died_;  // or when, after that, the other end was seen to take some
  int not_taken_ = 0;              // by the other end, at that time
  std::size_t running_ = 0;
  detail::resumable* waiter_ = nullptr;
  news* nap_ = nullptr;
  std::exception_ptr error_;
  relay_result done_;
  std::array<cancel_scope, 2> way_scopes_;
  cancel_scope lookout_scope_;
  std::array<task<transfer>, 2> ways_;
  std::array<task<>, 2> lookouts_;
};

void relaying::refuse(std::size_t way, std::error_code error, side where) noexcept {
  for (const std::size_t each : {way, other(way)}) {
    done(each).route = options_.route;
    done(each).reason = stop_reason::cancelled;
  }
  done(way).reason = stop_reason::failed;
  done(way).error = error;
  done(way).side = where;
}

bool relaying::resolve() noexcept {
  std::array<std::pair<dev_t, ino_t>, 2> reads{};
  std::array<std::pair<dev_t, ino_t>, 2> writes{};
  for (const std::size_t way : {std::size_t{0}, std::size_t{1}}) {
    const result<endpoint> in = detail::look_at(in_of(way), detail::direction::reading);
    const result<endpoint> out = detail::look_at(out_of(way), detail::direction::writing);
    if (!in || !out) {
      refuse(way, !in ? in.error() : out.error(), !in ? side::in : side::out);
      return false;
    }
    can_die_[other(way)] = out->is == endpoint::kind::socket && !out->datagrams;
    reads[way] = {in->device, in->inode};
    writes[other(way)] = {out->device, out->inode};
    was_shut_[way] = in->is == endpoint::kind::socket && is_shut(in_of(way));
  }
  is_one_ = {reads[0] == writes[0], reads[1] == writes[1]};
  if (ends_[0].in != ends_[1].in) return true;
  refuse(0, errno_code(EINVAL), side::none);
  return false;
}

void relaying::start(detail::promise_base& child, cancel_scope& scope) {
  ++running_;
  child.start_in({env_.where, &scope}, *this);
}

void relaying::start() {
  for (const std::size_t each : {std::size_t{0}, std::size_t{1}}) {
    ways_[each] = detail::try_splice_seen(
        in_of(each), out_of(each),
        {.route = options_.route,
         .progress = each == 0 ? options_.progress_a_to_b : options_.progress_b_to_a},
        *this);
    // Reading from the one descriptor does not tell what becomes of the other.
    if (!is_one_[each]) want_lookout(each);
  }
  for (const std::size_t each : {std::size_t{0}, std::size_t{1}}) {
    start(ways_[each].promise(), way_scopes_[each]);
  }
}

void relaying::waits_for_out(const detail::mover& m) noexcept {
  want_lookout(m.in.fd == in_of(0) ? 0 : 1);
}

/// Not started here: this may be in the middle of a transfer.
void relaying::want_lookout(std::size_t end) noexcept {
  if (!can_die_[end] || lookouts_[end] || want_lookout_[end]) return;
  want_lookout_[end] = true;
  wake();
}

void relaying::start_lookouts() noexcept {
  for (const std::size_t end : {std::size_t{0}, std::size_t{1}}) {
    if (!std::exchange(want_lookout_[end], false) || stopped_ || (over_[0] && over_[1])) continue;
    try {
      lookouts_[end] = look_out(*this, end);
      start(lookouts_[end].promise(), lookout_scope_);
    } catch (const std::bad_alloc&) {
      detail::keep_first(error_, std::current_exception());
      stop();
    }
  }
}

/// Hears of an end that is gone for good, whoever reads from it or writes to it at the time.
task<> relaying::look_out(relaying& of, std::size_t end) {
  const int fd = of.ends_[end].out;
  zc::fd changes;
  unsigned events = 0;
  for (;;) {
    // One op for both: this frame is a part of what an idle relay costs.
    if (!co_await op::poll(changes ? changes.get() : fd, changes ? POLLIN : 0)) co_return;
    if (changes) take_event(changes);
    events = events_of(fd);
    if ((events & POLLHUP) != 0 || of.over_[other(end)]) break;
    if (changes) continue;
    // It has half-closed, or there is a message in its error queue: from now on a poll on the ring
    // ends at once, whatever else it is asked for.
    changes = set_of_events(fd, EPOLLET);
    if (!changes) break;
  }
  if (is_dead(events)) of.end_died(end);
}

std::coroutine_handle<> relaying::child_done(detail::promise_base& child) noexcept {
  --running_;
  for (const std::size_t way : {std::size_t{0}, std::size_t{1}}) {
    if (&child == &ways_[way].promise()) way_ended(way);
  }
  if (over_[0] && over_[1]) lookout_scope_.request();
  wake();
  return std::noop_coroutine();
}

void relaying::way_ended(std::size_t way) noexcept {
  over_[way] = true;
  want_lookout(way);
  if (ways_[way].promise().error()) {
    detail::keep_first(error_, ways_[way].promise().error());
    stop();
    return;
  }
  done(way) = ways_[way].take();
  switch (done(way).reason) {
    case stop_reason::complete:
    case stop_reason::end_of_file:
      source_ended(way);
      break;
    case stop_reason::failed:
      way_failed(way);
      break;
    default:
      break;
  }
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

void relaying::stop() noexcept {
  stopped_ = true;
  for (cancel_scope& each : way_scopes_) each.request();
}

void relaying::wake() noexcept {
  has_news_ = true;
  if (waiter_ == nullptr || waiter_->posted) return;
  if (nap_->scope() != nullptr) {
    nap_->cancel();
  } else {
    env_.where->post(*waiter_);
  }
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

relay_result relaying::take() {
  if (error_) {
    std::vector<transfer> left;
    give_bytes(done_, left);
    detail::rethrow_beside(error_, std::move(left));
  }
  name_the_dead();
  if (expired_) time_out(done_);
  return std::move(done_);
}

}  // namespace

void time_out(relay_result& done) noexcept {
  // One that was stopped because the other one failed stays cancelled.
  for (const transfer* each : {&done.a_to_b, &done.b_to_a}) {
    if (each->reason == stop_reason::failed) return;
  }
  time_out(done.a_to_b);
  time_out(done.b_to_a);
}

void give_bytes(relay_result& from, std::vector<transfer>& to) {
  give_bytes(from.a_to_b, to);
  give_bytes(from.b_to_a, to);
}

task<relay_result> relay(relay_end a, relay_end b, relay_options options) {
  relaying both(co_await detail::this_environment{}, a, b, options);
  co_await both.breathe();
  if (!both.resolve()) co_return both.take();
  both.start();
  while (both.running()) co_await relaying::news(both);
  co_return both.take();
}

}  // namespace zc
