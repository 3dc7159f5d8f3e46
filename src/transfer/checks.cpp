#include "transfer/checks.hpp"

#include <unistd.h>

#include <cerrno>
#include <limits>

#include "transfer/overlap.hpp"
#include "zc/detail/errno_code.hpp"

namespace zc::detail {

namespace {

bool is_offset(std::int64_t offset) noexcept { return offset >= 0 || offset == file_position; }

/// Where the first byte is, for a source that has a position.
result<std::uint64_t> start_of(const endpoint& in, std::int64_t offset) noexcept {
  if (offset != file_position) return static_cast<std::uint64_t>(offset);
  const off_t at = ::lseek(in.fd, 0, SEEK_CUR);
  if (at < 0) return errno_code(errno);
  return static_cast<std::uint64_t>(at);
}

bool passes_largest_offset(std::uint64_t from, std::uint64_t nbytes) noexcept {
  constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  return nbytes != to_end && (from > largest || nbytes > largest - from);
}

/// How many bytes the call asks for: to_end where only the end of `in` will tell.
refusal check_source(pump& call) noexcept {
  const splice_options& asked = call.asked;
  if (!is_offset(asked.offset)) return {EINVAL, side::in};
  call.in.at = call.in.end.seekable ? asked.offset : file_position;
  call.in.left = asked.nbytes;
  if (!call.in.end.seekable) {
    if (asked.offset > 0) return {ESPIPE, side::in};
    return {};
  }
  const result<std::uint64_t> start = start_of(call.in.end, asked.offset);
  if (!start) return {start.error().value(), side::in};
  if (call.in.end.size) {
    if (*start > *call.in.end.size) return {EOVERFLOW, side::in};
    const std::uint64_t available = *call.in.end.size - *start;
    if (asked.nbytes == to_end) {
      call.in.left = available;
    } else if (asked.nbytes > available) {
      return {EOVERFLOW, side::in};
    }
  } else if (passes_largest_offset(*start, asked.nbytes)) {
    return {EOVERFLOW, side::in};
  }
  return {};
}

refusal check_target(pump& call, std::uint64_t nbytes) noexcept {
  const std::int64_t offset = call.asked.out_offset;
  if (!is_offset(offset)) return {EINVAL, side::out};
  call.out.at = call.out.end.seekable ? offset : file_position;
  if (!call.out.end.seekable && offset > 0) return {ESPIPE, side::out};
  if (call.out.end.append && offset > 0) return {EINVAL, side::out};
  if (offset > 0 && passes_largest_offset(static_cast<std::uint64_t>(offset), nbytes)) {
    return {EOVERFLOW, side::out};
  }
  return {};
}

bool known_flags(splice_flags flags) noexcept {
  constexpr splice_flags all =
      splice_flags::move | splice_flags::nonblock | splice_flags::more | splice_flags::gift;
  return (flags | all) == all;
}

refusal check_route(const pump& call) noexcept {
  const bool splices = call.asked.route == route::direct || call.asked.route == route::ring;
  if (splices && !call.out.end.takes_splices()) return {EINVAL, side::out};
  if (call.asked.route == route::direct) {
    if (call.in.end.may_block()) return {EINVAL, side::in};
    if (call.out.end.may_block()) return {EINVAL, side::out};
  }
  return {};
}

}  // namespace

refusal check(pump& call, const result<endpoint>& in, const result<endpoint>& out) noexcept {
  if (!known_flags(call.asked.flags)) return {EINVAL, side::none};
  if (!in) return {in.error().value(), side::in};
  if (!out) return {out.error().value(), side::out};
  call.in.end = *in;
  call.out.end = *out;
  if (in->is_pipe() && out->is_pipe() && in->device == out->device && in->inode == out->inode) {
    return {EINVAL, side::none};
  }
  if (const refusal why = check_source(call); why.error != 0) return why;
  if (const refusal why = check_target(call, call.in.left); why.error != 0) return why;
  // Some of what is to be read would be written over before, on one route or another.
  if (out->is == endpoint::kind::file &&
      overlap({*in, call.in.at, false}, {*out, call.out.at, true}, call.in.left)) {
    return {EINVAL, side::none};
  }
  return call.forced() ? check_route(call) : refusal();
}

refusal check_delivery(pump& call, const result<endpoint>& out, std::uint64_t nbytes) noexcept {
  if (!known_flags(call.asked.flags)) return {EINVAL, side::none};
  const bool from_memory =
      call.asked.offset == 0 && call.asked.nbytes == to_end &&
      (call.asked.route == route::automatic || call.asked.route == route::copy);
  if (!from_memory) return {EINVAL, side::in};
  if (!out) return {out.error().value(), side::out};
  call.out.end = *out;
  return check_target(call, nbytes);
}

}  // namespace zc::detail
