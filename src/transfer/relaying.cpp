#include "transfer/relaying.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/types.h>

#include <cerrno>
#include <exception>
#include <new>
#include <utility>
#include <vector>

#include "transfer/ends.hpp"
#include "transfer/peer_death.hpp"
#include "zc/detail/endpoint.hpp"
#include "zc/detail/errno_code.hpp"
#include "zc/detail/keep_first.hpp"
#include "zc/fd.hpp"
#include "zc/left_behind.hpp"
#include "zc/op/poll.hpp"

namespace zc::detail {

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
    const result<endpoint> in = look_at(in_of(way), direction::reading);
    const result<endpoint> out = look_at(out_of(way), direction::writing);
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

void relaying::start(promise_base& child, cancel_scope& scope) {
  ++running_;
  child.start_in({env_.where, &scope}, *this);
}

void relaying::start() {
  for (const std::size_t each : {std::size_t{0}, std::size_t{1}}) {
    ways_[each] = try_splice_between(
        {in_of(each), out_of(each)},
        {.route = options_.route,
         .progress = each == 0 ? options_.progress_a_to_b : options_.progress_b_to_a},
        this);
    // Reading from the one descriptor does not tell what becomes of the other.
    if (!is_one_[each]) want_lookout(each);
  }
  for (const std::size_t each : {std::size_t{0}, std::size_t{1}}) {
    start(ways_[each].promise(), way_scopes_[each]);
  }
}

void relaying::waits_for_out(const pump& by) noexcept {
  want_lookout(by.in.end.fd == in_of(0) ? 0 : 1);
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
      keep_first(error_, std::current_exception());
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

std::coroutine_handle<> relaying::child_done(promise_base& child) noexcept {
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
    keep_first(error_, ways_[way].promise().error());
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

void relaying::stop() noexcept {
  stopped_ = true;
  for (cancel_scope& each : way_scopes_) each.request();
}

void relaying::wake() noexcept {
  woken_ = true;
  if (waiter_ == nullptr || waiter_->posted) return;
  if (wait_->scope() != nullptr) {
    wait_->cancel();
  } else {
    env_.where->post(*waiter_);
  }
}

relay_result relaying::take() {
  if (error_) {
    std::vector<transfer> left;
    give_bytes(done_, left);
    rethrow_beside(error_, std::move(left));
  }
  name_the_dead();
  if (expired_) time_out(done_);
  return std::move(done_);
}

}  // namespace zc::detail
