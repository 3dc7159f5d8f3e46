#include "transfer/mover.hpp"

#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>

#include "transfer/ending.hpp"
#include "transfer/peer_death.hpp"
#include "zc/detail/errno_code.hpp"

namespace zc::detail {

namespace {

// "Would block" this many times in a row, in spite of poll(2), is a descriptor that does not mean
// it.
constexpr unsigned fruitless_limit = 3;
constexpr std::chrono::milliseconds fruitless_pause(1);

}  // namespace

bool mover::is_direct(const endpoint& end) const noexcept {
  if (asked.route == route::direct) return true;
  if (asked.route == route::ring) return false;
  switch (end.is) {
    case endpoint::kind::pipe:
      return true;
    case endpoint::kind::socket:
      return !end.may_block();
    default:  // may wait for a disk, or for a driver
      return end.never_waits;
  }
}

bool mover::takes_directly(std::size_t nbytes) const noexcept {
  if (is_direct(in)) return true;
  if (forced() || in.is != endpoint::kind::file || in.direct_io) return false;
  if (is_in_memory(nbytes)) return true;
  ++count().cold_fills;
  return false;
}

bool mover::is_in_memory(std::size_t nbytes) const noexcept {
  const std::int64_t from = in_at >= 0 ? in_at : ::lseek(in.fd, 0, SEEK_CUR);
  return shared().cache.holds(in.fd, {in.device, in.inode, from, nbytes});
}

bool mover::may_bounce() const noexcept {
  const auto is_stream = [](const endpoint& end) {
    return end.is == endpoint::kind::socket && !end.messages;
  };
  return !forced() && !has(splice_flags::nonblock) && is_stream(in) && is_stream(out);
}

void mover::took(std::size_t nbytes) noexcept {
  done.taken += nbytes;
  fruitless = 0;
  left -= nbytes;
  if (in_at >= 0) in_at += static_cast<std::int64_t>(nbytes);
}

void mover::gave(std::size_t nbytes, route how) noexcept {
  done.moved += nbytes;
  done.route = how;
  if (out_at >= 0) out_at += static_cast<std::int64_t>(nbytes);
  fruitless = 0;
  env.where->count_moved(nbytes);
  counters& all = count();
  counters::moves& by =
      how == route::direct ? all.direct : (how == route::ring ? all.ring : all.copy);
  ++by.count;
  by.bytes += nbytes;
  if (asked.progress != nullptr) {
    asked.progress->moved.store(done.moved, std::memory_order_relaxed);
  }
  if (seen_by != nullptr) seen_by->has_moved(*this);
}

bool mover::more_follows(std::uint64_t at_hand, std::uint64_t to_take) const noexcept {
  // On a socket with messages it would make several of them one, which may be too long to send.
  if (out.is != endpoint::kind::socket || out.messages) return false;
  if (has(splice_flags::more)) return true;
  // Of what is still to take, only a file's bytes are certain to follow at once.
  return at_hand > 0 || (in.size.has_value() && to_take > 0);
}

bool mover::over() noexcept {
  if (left == 0) {
    done.reason = stop_reason::complete;
    return true;
  }
  return cut();
}

bool mover::cut() noexcept {
  if (!cancelled()) return false;
  stop(errno_code(ECANCELED), side::none);
  return true;
}

void mover::stop(std::error_code error, side where) noexcept {
  end_at(done, error, where);
  if (done.reason == stop_reason::cancelled) env.cancel->observe();
}

outcome mover::source_ended() noexcept {
  // A socket's 0 may be an urgent mark or an empty message. Only recv(2) can tell.
  if (in.is == endpoint::kind::socket) return outcome::copy_some;
  if (done.taken == 0 && in.is == endpoint::kind::file && !in.size) {
    // A file that makes its content up may give it to read(2) and not to splice(2).
    if (!forced()) return outcome::cannot_splice;
    std::byte first{};
    const std::int64_t at = in_at >= 0 ? in_at : ::lseek(in.fd, 0, SEEK_CUR);
    if (direct_read(kernel(), in.fd, &first, 1, std::max<std::int64_t>(at, 0)) > 0) {
      stop(errno_code(EINVAL), side::in);
      return outcome::over;
    }
  }
  done.reason = stop_reason::end_of_file;
  return outcome::over;
}

void mover::push_tail() const noexcept {
  if (!has(splice_flags::more)) push();
}

// A write that finds no room has the kernel send all there is. A poll that finds none does not: it
// would wait until what is held back for more goes by itself, 200 ms later.
void mover::push_what_fills() const noexcept {
  if (!corked || !out.may_block()) return;
  if (direct_poll(kernel(), out.fd, POLLOUT) == 0) push();
}

void mover::push() const noexcept {
  if (!corked) return;
  int corked_by_user = 0;
  socklen_t length = sizeof corked_by_user;
  // Not TCP, or corked by its owner: then it is not ours to push.
  if (::getsockopt(out.fd, IPPROTO_TCP, TCP_CORK, &corked_by_user, &length) < 0) return;
  if (corked_by_user != 0) return;
  // Uncorking what is not corked changes nothing but sends what is held back.
  const int off = 0;
  ::setsockopt(out.fd, IPPROTO_TCP, TCP_CORK, &off, sizeof off);
}

verdict mover::judge_splice(std::error_code error, side where, outcome& left_off) noexcept {
  switch (error.value()) {
    case EAGAIN:
      // Ready, and yet no splice: before a TCP urgent mark. recv(2) gets past it.
      if (where == side::in && in.is == endpoint::kind::socket && fruitless >= fruitless_limit) {
        left_off = outcome::copy_some;
        return verdict::leave;
      }
      break;
    case EINVAL:      // no splice for this file, or not at this alignment
    case ENOSYS:      // no such op or call here
    case EOPNOTSUPP:  // no splice for this socket
    case EPERM:       // forbidden; or so will a copy be
    case EACCES:
      if (!forced()) {
        left_off = outcome::cannot_splice;
        return verdict::leave;
      }
      if (asked.route == route::direct && splice_is_forbidden()) where = side::zc;
      break;
    default:
      break;
  }
  return judge(error, where);
}

verdict mover::judge_wait(std::error_code error, side where) noexcept {
  if (!error) return verdict::go_on;
  const bool refused = error == std::errc::resource_unavailable_try_again;
  if (error == std::errc::interrupted || (refused && !has(splice_flags::nonblock))) {
    return verdict::retry;
  }
  stop(error, where);
  return verdict::leave;
}

verdict mover::judge(std::error_code error, side where) noexcept {
  if (error == std::errc::interrupted) return verdict::retry;
  if (error == std::errc::resource_unavailable_try_again) {
    ++count().would_block;
    return verdict::wait;
  }
  if (where == side::in && in.ends_with(error)) {
    done.reason = stop_reason::end_of_file;
    return verdict::leave;
  }
  stop(error, where);
  return verdict::leave;
}

std::error_code mover::check_message(std::size_t room) const noexcept {
  if (!in.messages) return {};
  const int length = direct_message_length(kernel(), in.fd);
  // vsock lets nobody look on Linux 6.1. There may be room for any message all the same.
  if (length == -EOPNOTSUPP && room >= endpoint::message_limit_bytes) return {};
  // Without one the move would meet what comes in between, however long that is. An error is told
  // only once.
  if (length < 0) return errno_code(-length);
  return static_cast<std::size_t>(length) > room ? errno_code(EMSGSIZE) : std::error_code();
}

std::size_t mover::take_limit_bytes() const noexcept {
  if (!has(splice_flags::nonblock)) return std::numeric_limits<std::size_t>::max();
  const std::size_t room = out.room_bytes();
  if (!in.in_blocks()) return room;
  // Whole ones, one at least: after a part of one there is no going on.
  return std::max(room / endpoint::block_bytes, std::size_t{1}) * endpoint::block_bytes;
}

bool ready::for_room() const noexcept { return &end_ == &mover_.out && events_ == POLLOUT; }

void ready::prepare(io_uring_sqe& sqe) noexcept {
  if (for_room() && mover_.room_set) {
    io_uring_prep_poll_add(&sqe, mover_.room_set.get(), POLLIN);
  } else {
    io_uring_prep_poll_add(&sqe, end_.fd, static_cast<unsigned>(events_));
  }
}

bool ready::await_ready() noexcept {
  if (!end_.pollable()) return true;
  if (events_ == POLLIN && end_.has_untold_bytes()) {
    set_raw(POLLIN);
    return true;
  }
  if (mover_.seen_by != nullptr && &end_ == &mover_.out) mover_.seen_by->waits_for_out(mover_);
  if (!mover_.has(splice_flags::nonblock)) {
    if (&end_ == &mover_.out) mover_.push_what_fills();
    return false;
  }
  int events = -EINTR;
  while (events == -EINTR) events = direct_poll(mover_.kernel(), end_.fd, events_);
  set_raw(events == 0 ? -EAGAIN : events);
  return true;
}

std::error_code ready::await_resume() noexcept {
  if (raw() < 0) return errno_code(-raw());
  // A terminal that has hung up takes what it has room for, and nobody will ever make more: a move
  // would wait for that for ever, without an error.
  const bool hung_up = (raw() & (events_ | POLLERR | POLLHUP)) == POLLHUP;
  if (&end_ == &mover_.out && end_.is == endpoint::kind::tty && hung_up) return errno_code(EPIPE);
  // Errors and hang-ups count as ready: the move that follows says what they are.
  const bool half_closed = (raw() & (events_ | POLLERR | POLLHUP | POLLRDHUP)) == POLLRDHUP;
  if (!for_room() || !half_closed || mover_.half_closed) return {};
  mover_.half_closed = true;
  mover_.room_set = set_of_events(end_.fd, EPOLLOUT);
  return mover_.room_set ? errno_code(EINTR) : std::error_code();
}

splice_once::splice_once(const mover& m, bool direct, int from, std::int64_t from_at, int to,
                         std::int64_t to_at, std::size_t nbytes, bool more) noexcept
    : kernel_(m.kernel()),
      asked_{from, from_at, to, to_at, nbytes, SPLICE_F_NONBLOCK | (more ? SPLICE_F_MORE : 0u)},
      direct_(direct) {}

void splice_once::prepare(io_uring_sqe& sqe) noexcept { asked_.prepare(sqe); }

bool splice_once::await_ready() noexcept {
  if (direct_) set_raw(direct_splice(kernel_, asked_));
  return direct_;
}

bool mover::spins() noexcept { return ++fruitless > fruitless_limit; }

back_off::back_off(mover& m) noexcept
    : timer(fruitless_pause), spins_(m.spins()), at_once_(m.has(splice_flags::nonblock)) {}

bool back_off::await_ready() noexcept { return !spins_ || at_once_; }

std::error_code back_off::await_resume() noexcept {
  if (spins_ && at_once_) return errno_code(EAGAIN);
  return timer::await_resume();
}

task<std::error_code> pause(mover&) { co_return co_await timer(fruitless_pause); }

}  // namespace zc::detail
