#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "engine/direct_call.hpp"
#include "transfer/pump.hpp"
#include "zc/detail/errno_code.hpp"

// The way by memory: a read into an empty buffer, then writes until it is empty again. Where
// neither call can wait, the buffer is the context's own, and only what `out` has no room for gets
// memory of its own. So a transfer that waits for bytes holds none.

namespace zc::detail {

namespace {

constexpr std::size_t copy_bytes = 64 * 1024;
// No more is kept for a few bytes that wait for `out`.
constexpr std::size_t small_bytes = 4096;
constexpr std::size_t block_bytes = endpoint::block_bytes;

/// A copy in no more memory than it needs, but at a block's boundary where it must be; empty where
/// there is none.
remainder copy_of(std::span<const std::byte> bytes, bool aligned) noexcept {
  if (aligned) {
    aligned_memory copy(bytes.size());
    if (!copy) return {};
    std::memcpy(copy.data(), bytes.data(), bytes.size());
    return std::move(copy).first(bytes.size());
  }
  std::unique_ptr<std::byte[]> kept(new (std::nothrow) std::byte[bytes.size()]);
  if (!kept) return {};
  std::memcpy(kept.get(), bytes.data(), bytes.size());
  return {std::move(kept), 0, bytes.size()};
}

/// Whether a read that was to take only what is in memory has found that it would have to wait, or
/// that this kind of file cannot tell.
bool must_wait(const move& made, int got) noexcept {
  return made.what == move::call::read_cached && (got == -EAGAIN || got == -EOPNOTSUPP);
}

}  // namespace

move pump::read_move(std::byte* memory, std::size_t nbytes) const noexcept {
  move one{.what = move::call::read, .in = in.end.fd, .memory = memory, .nbytes = nbytes};
  if (in.end.is == endpoint::kind::socket) {
    one.what = move::call::recv;
    one.flags = MSG_DONTWAIT;
    return one;
  }
  const bool on_disk = in.end.is == endpoint::kind::file && !in.end.in_memory;
  if (on_disk && !in.end.direct_io) one.what = move::call::read_cached;
  one.in_at = in.read_offset();
  return one;
}

move pump::write_move(std::span<const std::byte> bytes, bool more) const noexcept {
  // A write does not change them; one struct serves both directions.
  auto* const memory = const_cast<std::byte*>(bytes.data());
  move one{.what = move::call::write, .out = out.end.fd, .memory = memory, .nbytes = bytes.size()};
  if (out.end.is == endpoint::kind::socket) {
    one.what = move::call::send;
    one.flags = MSG_DONTWAIT | MSG_NOSIGNAL | (more ? unsigned{MSG_MORE} : 0u);
  } else {
    one.out_at = out.write_offset();
  }
  return one;
}

/// Whether a read is a call on this thread that never waits.
bool pump::reads_directly() const noexcept {
  // On the ring, another transfer from the same socket could come in between: this one would cut a
  // message that nobody has looked at.
  if (in.end.messages) return true;
  if (forced()) return false;
  switch (in.end.is) {
    case endpoint::kind::socket:
      return true;
    case endpoint::kind::file:
      return !in.end.direct_io;
    case endpoint::kind::pipe:
      return in.end.nonblocking;
    default:
      return in.end.never_waits;
  }
}

bool pump::writes_directly() const noexcept {
  if (forced() || only_takes()) return false;
  if (out.end.is == endpoint::kind::socket) return true;
  return out.end.never_waits || (out.end.in_memory && !out.end.direct_io);
}

/// Keeps bytes that were taken and that `out` has no room for. False without memory for them.
bool pump::keep(std::span<const std::byte> bytes) noexcept {
  if (bytes.empty()) return true;
  memory_ = copy_of(bytes, out.end.in_blocks());
  return !memory_.empty();
}

// --- Reading.

step pump::read() noexcept {
  if (one_piece_ && copied_) {
    one_piece_ = false;
    enter(splicing_way());
    return {};
  }
  if (in.wait) {
    if (const step next = ask(side::in); next.what != step::kind::again) return next;
  }
  // What cannot go out at once is not taken, where the caller would rather come back.
  if (has(splice_flags::nonblock)) {
    if (const step next = ask(side::out); next.what != step::kind::again) return next;
  }
  const std::size_t most = in.end.messages ? in.end.message_limit_bytes : copy_bytes;
  const auto nbytes =
      static_cast<std::size_t>(std::min<std::uint64_t>({in.left, most, take_limit_bytes()}));
  if (const std::error_code error = in.check_message(kernel(), nbytes)) return was_read(error);
  if (in.end.is_pipe() && nbytes < PIPE_BUF && between_.take(shared().pipes)) {
    return read_part(nbytes);
  }
  const bool direct = reads_directly();
  if (direct && writes_directly() && !in.end.messages && !shared().scratch().empty()) {
    return read_into_scratch(nbytes);
  }
  return read_into_own(nbytes, direct);
}

/// Takes less from a pipe than a packet may be. Of one that is longer (pipe2(2), O_DIRECT) read(2)
/// would drop the rest, and a splice leaves it.
step pump::read_part(std::size_t nbytes) noexcept {
  in_parts_ = true;
  pending_ = {.what = move::call::splice,
              .in = in.end.fd,
              .out = between_.write_end(),
              .nbytes = nbytes,
              .flags = SPLICE_F_NONBLOCK};
  if (parts_by_engine_) return {step::kind::move};
  const result<std::size_t> taken = as_result(pending_.now(kernel()));
  if (!may_be_forbidden(taken.error().value())) return part_was_taken(taken);
  // Who may not call splice(2) may still have the ring do it.
  parts_by_engine_ = true;
  return {step::kind::move};
}

step pump::part_was_taken(const result<std::size_t>& count) noexcept {
  in_parts_ = false;
  if (count && *count > 0) {
    between_.holds = *count;
    took(*count);
    bring_to_memory();
    out.wait = out.end.is != endpoint::kind::socket;
    return {over_ ? step::kind::end : step::kind::again};
  }
  between_.give_back();
  return was_read(count);
}

step pump::read_into_scratch(std::size_t nbytes) noexcept {
  const std::span<std::byte> scratch = shared().scratch();
  const std::size_t room = out.end.messages ? out.end.write_limit_bytes() : scratch.size();
  const std::span<std::byte> memory = scratch.first(std::min({nbytes, scratch.size(), room}));
  pending_ = read_move(memory.data(), memory.size());
  wanted_ = memory.size();
  const int got = pending_.now(kernel());
  if (must_wait(pending_, got)) return read_into_own(nbytes, false);
  if (got <= 0) return was_read(as_result(got));

  const std::span<const std::byte> bytes = memory.first(static_cast<std::size_t>(got));
  in.read_ended(pending_.in_at, bytes.size());
  took(bytes.size());
  // Asked for more than there was: the next bytes are still to come.
  in.wait = in.end.is == endpoint::kind::socket && bytes.size() < memory.size();
  more_ = more_follows(0, in.left);
  pending_ = write_move(bytes, more_);
  const int sent = pending_.now(kernel());
  const auto given = static_cast<std::size_t>(std::max(sent, 0));
  if (!keep(bytes.subspan(given))) {
    if (given > 0) gave(given, route::copy);
    stop(errno_code(ENOMEM), side::zc);
    return {step::kind::end};
  }
  if (sent <= 0) return written(as_result(sent));
  out.write_ended(pending_.out_at, given);
  gave(given, route::copy);
  copied_ = true;
  out.corked = more_;
  out.wait = !memory_.empty();
  // So much at a time is cheaper by way of a pipe.
  const bool much = given == scratch.size() && in.left > 0;
  if (much && !copies_ && !one_piece_) enter(splicing_way());
  return {};
}

step pump::read_into_own(std::size_t nbytes, bool direct) noexcept {
  // O_DIRECT reads whole blocks; those beyond what was asked for are left in the file.
  const std::size_t whole =
      in.end.in_blocks() ? (nbytes + block_bytes - 1) / block_bytes * block_bytes : nbytes;
  // Memory only now: an idle transfer holds none.
  reading_ = aligned_memory(std::max(whole, block_bytes));
  if (!reading_) {
    stop(errno_code(ENOMEM), side::zc);
    return {step::kind::end};
  }
  wanted_ = nbytes;
  pending_ = read_move(reading_.data(), whole);
  if (direct) {
    const int got = pending_.now(kernel());
    if (!must_wait(pending_, got)) return was_read(as_result(got));
  }
  return {step::kind::move};
}

step pump::was_read(const result<std::size_t>& count) noexcept {
  aligned_memory buffer = std::move(reading_);
  if (count && *count > 0) {
    const std::size_t size = std::min(*count, wanted_);
    in.read_ended(pending_.in_at, size);
    // Few bytes get no more memory than they need; but at a block's boundary, where `out` takes
    // whole blocks only.
    if (size <= small_bytes && !out.end.in_blocks())
      memory_ = copy_of({buffer.data(), size}, false);
    if (memory_.empty()) memory_ = std::move(buffer).first(size);
    took(size);
    in.wait = in.end.is != endpoint::kind::socket || forced();
    out.wait = out.end.is != endpoint::kind::socket;
    return {};
  }
  in.wait = true;
  if (!count) return failed(count.error(), side::in, false);
  if (in.end.datagrams) return {};  // an empty message: datagrams have no end
  end(stop_reason::end_of_file);
  return {step::kind::end};
}

// --- Writing.

step pump::write() noexcept {
  if (out.wait) {
    if (const step next = ask(side::out); next.what != step::kind::again) return next;
  }
  const auto bytes = memory_.bytes().first(std::min(memory_.size(), out.end.write_limit_bytes()));
  more_ = more_follows(memory_.size() - bytes.size(), in.left);
  pending_ = write_move(bytes, more_);
  if (!writes_directly()) return {step::kind::move};
  return written(as_result(pending_.now(kernel())));
}

step pump::written(const result<std::size_t>& count) noexcept {
  if (count && *count > 0) {
    out.write_ended(pending_.out_at, *count);
    memory_.drop(*count);
    if (memory_.empty()) memory_ = {};
    gave(*count, route::copy);
    out.corked = more_;
    out.wait = out.end.is != endpoint::kind::socket;
    copied_ = true;
    return {};
  }
  if (count) {
    stop(errno_code(EIO), side::out);  // accepts nothing, and does not say why
    return {step::kind::end};
  }
  out.wait = true;
  return failed(count.error(), side::out, false);
}

step pump::give_copy(std::span<const std::byte> bytes) noexcept {
  int sent = 0;
  if (writes_directly()) {
    more_ = more_follows(0, 0);
    pending_ = write_move(bytes.first(std::min(bytes.size(), out.end.write_limit_bytes())), more_);
    sent = pending_.now(kernel());
  }
  const auto given = static_cast<std::size_t>(std::max(sent, 0));
  if (!keep(bytes.subspan(given))) {
    if (given > 0) gave(given, route::copy);
    stop(errno_code(ENOMEM), side::zc);
    return {step::kind::end};
  }
  if (given > 0) {
    out.write_ended(pending_.out_at, given);
    gave(given, route::copy);
    out.corked = more_;
  }
  out.wait = given > 0 || out.end.is != endpoint::kind::socket;
  const step next = sent < 0 ? written(as_result(sent)) : step();
  return next.what == step::kind::again ? advance() : next;
}

}  // namespace zc::detail
