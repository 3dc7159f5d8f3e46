#include <utility>

#include "transfer/pump.hpp"

// Which way the bytes of a transfer go.

namespace zc::detail {

namespace {

// A default pipe's worth.
constexpr std::uint64_t little_bytes = 64 * 1024;

}  // namespace

void pump::start() noexcept {
  if (suits_sendfile()) {
    enter(way::sendfile);
  } else if (must_copy()) {
    copy_from_now_on();
  } else if (is_little_for_blocking()) {
    copies_ = true;
    enter(way::memory);
  } else {
    enter(may_copy_little() ? way::memory : splicing_way());
  }
}

void pump::start_with(remainder bytes) noexcept {
  memory_ = std::move(bytes);
  done.taken = memory_.size();
  copies_ = true;
  enter(way::memory);
}

/// Whether splicing would be in vain, or would drop what of a message is too long for a pipe, or
/// could park a kernel worker.
bool pump::must_copy() const noexcept {
  if (asked.route == route::copy || !out.end.takes_splices()) return true;
  return !forced() && (in.end.messages || !out.end.known_room);
}

/// Whether few bytes at a time are to be copied, which is cheaper than a pipe's pages: both ends
/// are sockets that give and take streams.
bool pump::may_copy_little() const noexcept {
  const auto is_stream = [](const endpoint& end) {
    return end.is == endpoint::kind::socket && !end.messages;
  };
  return !forced() && !has(splice_flags::nonblock) && is_stream(in.end) && is_stream(out.end);
}

bool pump::suits_sendfile() const noexcept {
  const bool from_file = in.end.is == endpoint::kind::file && in.end.size && !in.end.direct_io;
  return !forced() && !sendfile_refused_ && asked.flags == splice_flags::none && from_file &&
         in.at >= 0 && out.end.sends_at_once();
}

/// Whether it is so little of a file that a copy, by a send(2) that is told not to wait, is cheaper
/// than a kernel worker that may wait for a socket in blocking mode.
bool pump::is_little_for_blocking() const noexcept {
  const bool from_file = in.end.is == endpoint::kind::file && in.end.size && !in.end.direct_io;
  const bool to_socket = out.end.is == endpoint::kind::socket && out.end.may_block();
  return !forced() && asked.flags == splice_flags::none && from_file && to_socket &&
         in.left <= little_bytes;
}

pump::way pump::splicing_way() const noexcept {
  if (only_takes()) return way::pipe;
  if (suits_sendfile()) return way::sendfile;
  return in.end.is_pipe() || out.end.is_pipe() ? way::splice : way::pipe;
}

void pump::enter(way next) noexcept {
  way_ = next;
  in.wait = out.wait = false;
  light_ = false;
  route by = route::direct;
  switch (next) {
    case way::sendfile:
      break;
    case way::splice:
      in.wait = out.wait = !is_direct(in.end) || !is_direct(out.end);
      if (in.wait) by = route::ring;
      break;
    case way::pipe:
      in.wait = !is_direct(in.end);
      if (in.wait || !is_direct(out.end)) by = route::ring;
      break;
    case way::memory:
      by = route::copy;
      in.wait = in.end.is != endpoint::kind::socket || forced();
      out.wait = out.end.is != endpoint::kind::socket;
      break;
  }
  if (done.moved == 0) done.route = by;
}

void pump::copy_from_now_on() noexcept {
  if (!forced()) ++count().cannot_splice;
  copies_ = true;
  done.route = route::copy;
  bring_to_memory();
  enter(way::memory);
}

/// For what only recv(2) or send(2) gets past, and where no pipe is to be had.
void pump::copy_one_piece() noexcept {
  bring_to_memory();
  one_piece_ = true;
  copied_ = false;
  enter(way::memory);
}

void pump::bring_to_memory() noexcept {
  if (const std::error_code lost = between_.read_back(kernel(), memory_)) {
    done.reason = stop_reason::failed;
    done.error = lost;
    done.side = side::zc;
    over_ = true;
  }
  between_.give_back();
}

/// Whether a splice with this end, and a pipe at the other, is a system call on this thread: it
/// never waits for more than memory.
bool pump::is_direct(const endpoint& end) const noexcept {
  if (asked.route == route::direct) return true;
  if (asked.route == route::ring) return false;
  switch (end.is) {
    case endpoint::kind::pipe:
      return true;
    case endpoint::kind::socket:
      return !end.may_block();
    default:  // may wait for a disk, or for a driver
      return end.never_waits || end.in_memory;
  }
}

}  // namespace zc::detail
