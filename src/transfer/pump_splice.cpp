#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

#include "engine/direct_call.hpp"
#include "transfer/pump.hpp"
#include "zc/detail/errno_code.hpp"

// The ways on which the kernel moves the bytes: sendfile(2) and splice(2).

namespace zc::detail {

namespace {

// A pipe that poll(2) calls writable has room for this much (pipe(7)).
constexpr std::size_t free_pipe_bytes = 4096;
// Of segments this small, a copy costs less than a pipe's pages.
constexpr std::size_t light_bytes = 4096;
// So little of a file that is not in memory is read rather than spliced: a read on the ring takes
// no kernel worker.
constexpr std::uint64_t little_bytes = 16 * 1024;

/// Reading a pipe does not fail, and writing to one fails only with EPIPE: so a failed splice
/// between a pipe and something else says by itself which end it was.
side failed_side(const endpoint& in, std::error_code error) noexcept {
  if (in.is == endpoint::kind::pipe) return side::out;
  return error == std::errc::broken_pipe ? side::out : side::in;
}

/// Whether anything can be spliced to `out`: asked with an empty pipe, so that nothing is.
bool takes_splices(ring& kernel, int out, const leased_pipe& empty) noexcept {
  return direct_splice(kernel, {empty.read_end(), -1, out, -1, 1, SPLICE_F_NONBLOCK}) != -EINVAL;
}

void count_fill(counters& all, const leased_pipe& filled) noexcept {
  ++all.pipe_fills;
  all.pipe_fill_bytes += filled.holds;
  all.pipe_room_bytes += filled.capacity_bytes();
}

move splice_move(int in, std::int64_t in_at, int out, std::int64_t out_at, std::size_t nbytes,
                 bool more) noexcept {
  return {.what = move::call::splice,
          .in = in,
          .out = out,
          .in_at = in_at,
          .out_at = out_at,
          .nbytes = nbytes,
          .flags = SPLICE_F_NONBLOCK | (more ? SPLICE_F_MORE : 0u)};
}

}  // namespace

// --- What all of them share.

/// Whether a splice of the next `nbytes` of the source is a system call on this thread: of a file,
/// where they are in memory.
bool pump::takes_directly(std::size_t nbytes) noexcept {
  if (is_direct(in.end)) return true;
  if (forced() || in.end.is != endpoint::kind::file || in.end.direct_io) return false;
  if (shared().cache.ready_bytes(in.end, in.offset(), nbytes) == nbytes) return true;
  ++count().cold_fills;
  return false;
}

/// Whether a move to `out` goes with SPLICE_F_MORE, when `at_hand` bytes beyond it are taken
/// already and `to_take` are still in `in`: only while it is certain that more follows at once, as
/// a tail sent with it waits 200 ms.
bool pump::more_follows(std::uint64_t at_hand, std::uint64_t to_take) const noexcept {
  // On a socket with messages it would make several of them one, which may be too long to send.
  if (out.end.is != endpoint::kind::socket || out.end.messages) return false;
  if (has(splice_flags::more)) return true;
  // Of what is still to take, only a file's bytes are certain to follow at once.
  return at_hand > 0 || (in.end.size.has_value() && to_take > 0);
}

/// How many bytes to take at a time: with splice_flags::nonblock no more than `out` has room for.
std::size_t pump::take_limit_bytes() const noexcept {
  if (!has(splice_flags::nonblock)) return most_;
  return std::min(most_, in.whole_blocks(out.end.room_bytes()));
}

/// What a splice that gave 0 bytes means: the end of `in`, or that it must be read to tell.
step pump::source_ended() noexcept {
  if (in.end.is == endpoint::kind::socket) {
    // An urgent mark or an empty message may give 0 too. Only recv(2) can tell.
    copy_one_piece();
    return {};
  }
  if (done.taken == 0 && in.end.is == endpoint::kind::file && !in.end.size) {
    // A file that makes its content up may give it to read(2) and not to splice(2).
    if (!forced()) {
      copy_from_now_on();
      return {};
    }
    std::byte first{};
    const std::int64_t at = std::max<std::int64_t>(in.offset(), 0);
    if (direct_read(kernel(), in.end.fd, &first, 1, at) > 0) {
      stop(errno_code(EINVAL), side::in);
      return {step::kind::end};
    }
  }
  end(stop_reason::end_of_file);
  return {step::kind::end};
}

// --- sendfile(2): what has been read and cannot be written is in the file still.

step pump::send_file() noexcept {
  if (out.wait) {
    if (const step next = ask(side::out); next.what != step::kind::again) return next;
  }
  const auto wanted = static_cast<std::size_t>(std::min(in.left, env.where->turn_left_bytes()));
  const std::size_t nbytes = shared().cache.ready_bytes(in.end, in.at, wanted);
  if (nbytes == 0) {
    if (in.left <= little_bytes) {
      ++count().cold_fills;
      copy_one_piece();
    } else {
      enter(way::pipe);
    }
    return {};
  }
  pending_ = {.what = move::call::sendfile,
              .in = in.end.fd,
              .out = out.end.fd,
              .in_at = in.at,
              .nbytes = nbytes};
  const int sent = pending_.now(kernel());
  if (sent > 0) {
    const auto count = static_cast<std::size_t>(sent);
    took(count);
    gave(count, route::direct);
    // It has filled the socket; or the file has become shorter, and it has said that more follows.
    out.wait = out.corked = count < nbytes;
    return {};
  }
  if (sent == 0 || may_be_forbidden(-sent)) {
    sendfile_refused_ = true;  // truncated meanwhile, or not allowed
    enter(splicing_way());
    return {};
  }
  out.wait = true;
  return failed(errno_code(-sent), side::out, true);
}

// --- One end is a pipe of the caller's.

/// How much to ask for. No more than there is in the pipe, where that goes to a socket: the kernel
/// would hold the tail back for the bytes that are missing.
std::uint64_t pump::at_hand_bytes() const noexcept {
  int in_pipe = 0;
  const bool tells = in.end.is_pipe() && out.end.is == endpoint::kind::socket &&
                     ::ioctl(in.end.fd, FIONREAD, &in_pipe) == 0 && in_pipe > 0;
  return tells ? static_cast<std::uint64_t>(in_pipe) : in.left;
}

step pump::splice_across() noexcept {
  // Either end may be the one that is not ready; neither is held meanwhile.
  for (const side each : {side::in, side::out}) {
    if (each == side::in ? !in.wait : !out.wait) continue;
    if (const step next = ask(each); next.what != step::kind::again) return next;
  }
  const std::uint64_t most = std::min(in.left, env.where->turn_left_bytes());
  direct_ = is_direct(out.end) && takes_directly(static_cast<std::size_t>(most));
  if (!direct_ && (in.end.may_park(POLLIN) || out.end.may_park(POLLOUT))) {
    copy_one_piece();
    return {};
  }
  const auto nbytes = static_cast<std::size_t>(
      std::min<std::uint64_t>({most, out.end.write_limit_bytes(), at_hand_bytes()}));
  if (const auto error = in.check_message(kernel(), std::min(nbytes, free_pipe_bytes))) {
    return spliced_across(error);
  }
  more_ = more_follows(0, in.left - nbytes);
  pending_ = splice_move(in.end.fd, in.at, out.end.fd, out.at, nbytes, more_);
  if (!direct_) return {step::kind::move};
  return spliced_across(as_result(pending_.now(kernel())));
}

step pump::spliced_across(const result<std::size_t>& count) noexcept {
  in.wait = out.wait = !direct_;
  if (count && *count > 0) {
    took(*count);
    gave(*count, direct_ ? route::direct : route::ring);
    out.corked = more_;
    return {};
  }
  if (count) return source_ended();
  in.wait = out.wait = true;
  return failed(count.error(), failed_side(in.end, count.error()), true);
}

// --- By way of a pipe of zc's.

step pump::fill() noexcept {
  if (in.wait) {
    if (in.end.pollable()) between_.give_back();
    if (const step next = ask(side::in); next.what != step::kind::again) return next;
  }
  // What cannot go out at once is not taken, where the caller would rather come back.
  if (has(splice_flags::nonblock)) {
    if (const step next = ask(side::out); next.what != step::kind::again) return next;
  }
  if (!between_.take(shared().pipes)) {
    ++count().without_pipe;
    copy_one_piece();
    return {};
  }
  // A forced route fails before it takes anything, not after.
  if (forced() && done.taken == 0 && !takes_splices(kernel(), out.end.fd, between_)) {
    stop(errno_code(EINVAL), side::out);
    return {step::kind::end};
  }
  const auto nbytes = static_cast<std::size_t>(
      std::min<std::uint64_t>({in.left, between_.capacity_bytes(), take_limit_bytes()}));
  if (const std::error_code error = in.check_message(kernel(), nbytes)) return filled(error);
  direct_ = takes_directly(nbytes);
  if (!direct_ && in.end.may_park(POLLIN)) {
    copy_one_piece();  // only recv(2) can be told not to wait
    return {};
  }
  pending_ = splice_move(in.end.fd, in.at, between_.write_end(), -1, nbytes, false);
  if (!direct_) return {step::kind::move};
  return filled(as_result(pending_.now(kernel())));
}

step pump::filled(const result<std::size_t>& count) noexcept {
  if (count && *count > 0) {
    took(*count);
    between_.holds = *count;
    count_fill(this->count(), between_);
    fill_direct_ = direct_;
    out.wait = !is_direct(out.end);
    light_ = *count < light_bytes && may_copy_little();
    return {};
  }
  if (count) return source_ended();
  in.wait = true;
  between_.give_back();
  return failed(count.error(), side::in, true);
}

step pump::drain() noexcept {
  if (out.wait) {
    if (const step next = ask(side::out); next.what != step::kind::again) return next;
  }
  direct_ = is_direct(out.end);
  if (!direct_ && out.end.may_park(POLLOUT)) {
    copy_one_piece();  // only send(2) can be told not to wait
    return {};
  }
  const std::size_t nbytes = std::min(between_.holds, out.end.write_limit_bytes());
  more_ = more_follows(between_.holds - nbytes, in.left);
  pending_ = splice_move(between_.read_end(), -1, out.end.fd, out.at, nbytes, more_);
  if (!direct_) return {step::kind::move};
  return drained(as_result(pending_.now(kernel())));
}

step pump::drained(const result<std::size_t>& count) noexcept {
  if (count && *count > 0) {
    between_.holds -= *count;
    out.corked = more_;
    out.wait = !direct_;
    gave(*count, fill_direct_ && direct_ ? route::direct : route::ring);
    if (between_.holds > 0) return {};
    in.wait = !is_direct(in.end);
    if (light_) {
      between_.give_back();
      enter(way::memory);
    } else if (suits_sendfile()) {
      between_.give_back();
      enter(way::sendfile);  // what comes next may be in memory
    }
    return {};
  }
  if (count) {
    stop(errno_code(EIO), side::out);  // accepts nothing, and does not say why
    return {step::kind::end};
  }
  out.wait = true;
  return failed(count.error(), side::out, true);
}

}  // namespace zc::detail
