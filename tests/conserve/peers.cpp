#include "conserve/peers.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

#include "support/descriptors.hpp"

namespace conserve {

namespace {

using namespace std::chrono_literals;

// A moved byte that has not arrived by now is lost.
constexpr auto patience = 15s;
// Where no end can be told: how long to look for bytes that nobody moved.
constexpr auto afterthought = 3ms;

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

void end_stream(feeder& of) {
  switch (of.plan.ending) {
    case ending::stay:
      return;
    case ending::half_close:
      if (is_socket(of.plan.from)) {
        ::shutdown(of.fd.get(), SHUT_WR);
        return;
      }
      break;
    case ending::reset:
      if (of.plan.from == kind::tcp) support::reset_on_close(of.fd.get());
      break;
    case ending::close:
      break;
  }
  of.fd = zc::fd();
}

/// One write. Sets done at the end, and when nobody reads any more.
void feed(feeder& of, bool transfer_ended) {
  if (transfer_ended) {
    of.done = true;
    return;
  }
  const bool stalls = of.plan.event == event::feeder_stalls;
  const std::uint64_t until = stalls ? std::min(of.plan.event_at, of.plan.size) : of.plan.size;
  if (of.fed == until) {
    if (until < of.plan.size) {
      of.next = steady::time_point::max();  // stalled
      return;
    }
    end_stream(of);
    of.done = true;
    return;
  }
  const auto size =
      static_cast<std::size_t>(std::min<std::uint64_t>(of.plan.feed_bytes, until - of.fed));
  const std::string bytes = support::bytes_at(of.fed, size, of.salt);
  const ssize_t wrote = is_socket(of.plan.from)
                            ? ::send(of.fd.get(), bytes.data(), size, MSG_NOSIGNAL | MSG_DONTWAIT)
                            : ::write(of.fd.get(), bytes.data(), size);
  if (wrote >= 0) {
    of.fed += static_cast<std::uint64_t>(wrote);
    of.next = steady::now() + std::chrono::microseconds(of.plan.feed_pause_us);
  } else if (!would_block()) {
    of.done = true;
  }
}

void close_reader(reader& of) {
  if (of.plan.event == event::reader_resets) support::reset_on_close(of.fd.get());
  of.fd = zc::fd();
  of.closed = true;
  of.done = true;
}

/// One read, or what is due instead.
void read_some(reader& of, bool transfer_ended, std::uint64_t moved) {
  const bool closes =
      of.plan.event == event::reader_closes || of.plan.event == event::reader_resets;
  std::uint64_t most = of.plan.read_bytes;
  if (closes) {
    if (of.bytes.size() >= of.plan.event_at) return close_reader(of);
    most = std::min(most, of.plan.event_at - of.bytes.size());
  }
  if (of.plan.event == event::reader_stalls && !transfer_ended) {
    if (of.bytes.size() >= of.plan.event_at) {
      of.next = steady::time_point::max();
      return;
    }
    most = std::min(most, of.plan.event_at - of.bytes.size());
  }
  // A message is read whole, or its rest is gone.
  if (has_messages(of.plan.to)) most = 1 << 20;
  if (transfer_ended) most = std::max<std::uint64_t>(most, 65536);
  static thread_local std::string buffer(1 << 20, '\0');
  const ssize_t got = ::read(of.fd.get(), buffer.data(), static_cast<std::size_t>(most));
  const auto now = steady::now();
  if (got > 0) {
    of.bytes.append(buffer, 0, static_cast<std::size_t>(got));
    of.last = now;
    if (!transfer_ended) of.next = now + std::chrono::microseconds(of.plan.read_pause_us);
    return;
  }
  const bool ended = (got == 0 && !has_messages(of.plan.to)) ||
                     (got == 0 && of.plan.to == kind::seqpacket) || (got < 0 && !would_block());
  if (ended) {
    of.done = true;
    return;
  }
  if (!transfer_ended) return;
  const auto waited = now - of.last;
  if (of.bytes.size() < moved) {
    of.starved = of.done = waited > patience;
  } else if (!can_end(of.plan.to)) {
    of.done = waited > afterthought;
  } else {
    of.starved = of.done = waited > patience;  // its end was announced, and does not come
  }
}

}  // namespace

peers::peers(std::size_t lanes) : pairs_(lanes), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

peers::~peers() {
  if (!thread_.joinable()) return;
  leaving_ = true;
  wake();
  thread_.join();
}

void peers::start() {
  // What peers do to themselves is no news: SIGPIPE must come from zc, if it comes.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { live(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void peers::lane_ended(std::size_t lane, std::uint64_t moved) {
  pairs_[lane].moved.store(moved, std::memory_order_relaxed);
  pairs_[lane].ended.store(true, std::memory_order_release);
  wake();
}

void peers::lane_begins(std::size_t lane) {
  pairs_[lane].began.store(steady::now().time_since_epoch().count(), std::memory_order_release);
  wake();
}

void peers::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

/// Does what is due; returns when the next is.
steady::time_point peers::keep_appointments(steady::time_point now) {
  auto next = steady::time_point::max();
  for (appointment& each : appointments_) {
    const pair& lane = pairs_[each.lane];
    const steady::rep began = lane.began.load(std::memory_order_acquire);
    if (each.done || began == 0 || lane.ended) continue;
    const auto due = steady::time_point(steady::duration(began)) + each.after;
    if (due > now) {
      next = std::min(next, due);
    } else if (each.when && !each.when()) {
      next = std::min(next, now + 20us);
    } else {
      each.what();
      each.done = true;
    }
  }
  return next;
}

void peers::join() {
  if (thread_.joinable()) thread_.join();
}

void peers::live() {
  std::vector<bool> seen_ended(pairs_.size());
  std::vector<pollfd> polled;
  std::vector<std::function<void()>> actions;
  while (!leaving_) {
    const auto now = steady::now();
    auto next = keep_appointments(now);
    bool all_done = true;
    polled.assign(1, {wake_.get(), POLLIN, 0});
    actions.assign(1, [this] {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t taken = ::read(wake_.get(), &count, sizeof count);
    });
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      pair& each = pairs_[i];
      const bool ended = each.ended.load(std::memory_order_acquire);
      if (ended && !seen_ended[i]) {
        seen_ended[i] = true;
        each.in.next = each.out.next = each.out.last = now;
      }
      const auto add = [&](auto& one, short events, auto act) {
        if (one.done) return;
        all_done = false;
        if (one.next > now) {
          next = std::min(next, one.next);
        } else {
          polled.push_back({one.fd.get(), events, 0});
          actions.push_back(act);
        }
      };
      if (ended) each.in.done = true;
      add(each.in, POLLOUT, [&each] { feed(each.in, each.ended); });
      if (each.out.done) continue;
      const auto act = [&each, ended] {
        read_some(each.out, ended, each.moved.load(std::memory_order_relaxed));
      };
      // After the end the reader looks whether anything more comes; before it, it may be time to
      // close or stall although there is nothing to read.
      const bool at_event = each.out.plan.event != event::none &&
                            each.out.bytes.size() >= each.out.plan.event_at && each.out.next <= now;
      if (ended || at_event) {
        act();
        next = std::min(next, now + 1ms);
        if (each.out.done) continue;
      }
      add(each.out, POLLIN, act);
    }
    // Appointments belong to transfers; when all of those have ended, nobody needs them.
    const bool all_ended = std::all_of(pairs_.begin(), pairs_.end(),
                                       [](const pair& each) { return each.ended.load(); });
    if (all_done && all_ended) return;
    const auto wait = std::clamp<std::chrono::nanoseconds>(
        next == steady::time_point::max() ? 1s : next - now, 0ns, 1s);
    const timespec pause{wait / 1s, (wait % 1s).count()};
    if (::ppoll(polled.data(), polled.size(), &pause, nullptr) <= 0) continue;
    for (std::size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].revents != 0) actions[i]();
    }
  }
}

}  // namespace conserve
