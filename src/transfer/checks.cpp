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
refusal check_source(mover& m) noexcept {
  const splice_options& asked = m.asked;
  if (!is_offset(asked.offset)) return {errno_code(EINVAL), side::in};
  m.in_at = m.in.seekable ? asked.offset : file_position;
  m.left = asked.nbytes;
  if (!m.in.seekable) {
    if (asked.offset > 0) return {errno_code(ESPIPE), side::in};
    return {};
  }
  const result<std::uint64_t> start = start_of(m.in, asked.offset);
  if (!start) return {start.error(), side::in};
  if (m.in.size) {
    if (*start > *m.in.size) return {errno_code(EOVERFLOW), side::in};
    const std::uint64_t available = *m.in.size - *start;
    if (asked.nbytes == to_end) {
      m.left = available;
    } else if (asked.nbytes > available) {
      return {errno_code(EOVERFLOW), side::in};
    }
  } else if (passes_largest_offset(*start, asked.nbytes)) {
    return {errno_code(EOVERFLOW), side::in};
  }
  return {};
}

refusal check_target(mover& m) noexcept {
  const std::int64_t offset = m.asked.out_offset;
  if (!is_offset(offset)) return {errno_code(EINVAL), side::out};
  m.out_at = m.out.seekable ? offset : file_position;
  if (!m.out.seekable && offset > 0) return {errno_code(ESPIPE), side::out};
  if (m.out.append && offset > 0) return {errno_code(EINVAL), side::out};
  const std::uint64_t nbytes = m.left == to_end ? to_end : m.left + m.staged.size();
  if (offset > 0 && passes_largest_offset(static_cast<std::uint64_t>(offset), nbytes)) {
    return {errno_code(EOVERFLOW), side::out};
  }
  return {};
}

bool known_flags(splice_flags flags) noexcept {
  constexpr splice_flags all =
      splice_flags::move | splice_flags::nonblock | splice_flags::more | splice_flags::gift;
  return (flags | all) == all;
}

refusal check_route(const mover& m) noexcept {
  const bool splices = m.asked.route == route::direct || m.asked.route == route::ring;
  if (splices && !m.out.takes_splices()) return {errno_code(EINVAL), side::out};
  if (m.asked.route == route::direct) {
    if (m.in.may_block()) return {errno_code(EINVAL), side::in};
    if (m.out.may_block()) return {errno_code(EINVAL), side::out};
  }
  return {};
}

}  // namespace

refusal check(mover& m, int in, int out, const foreknowledge& known,
              const struct stat* about) noexcept {
  if (!known_flags(m.asked.flags)) return {errno_code(EINVAL), side::none};
  const result<endpoint> source =
      known.in != nullptr ? *known.in : look_at(in, direction::reading, about);
  if (!source) return {source.error(), side::in};
  const result<endpoint> target =
      known.out != nullptr ? *known.out : look_at(out, direction::writing);
  if (!target) return {target.error(), side::out};
  m.in = *source;
  m.out = *target;
  if (m.in.is_pipe() && m.out.is_pipe() && m.in.device == m.out.device &&
      m.in.inode == m.out.inode) {
    return {errno_code(EINVAL), side::none};
  }
  if (const refusal why = check_source(m); why.error) return why;
  if (const refusal why = check_target(m); why.error) return why;
  // Some of what is to be read would be written over before, on one route or another.
  if (overlap({m.in, m.in_at, false}, {m.out, m.out_at, true}, m.left)) {
    return {errno_code(EINVAL), side::none};
  }
  return check_route(m);
}

refusal check_delivery(mover& m, int out) noexcept {
  if (!known_flags(m.asked.flags)) return {errno_code(EINVAL), side::none};
  const bool from_memory = m.asked.offset == 0 && m.asked.nbytes == to_end &&
                           (m.asked.route == route::automatic || m.asked.route == route::copy);
  if (!from_memory) return {errno_code(EINVAL), side::in};
  const result<endpoint> target = look_at(out, direction::writing);
  if (!target) return {target.error(), side::out};
  m.out = *target;
  m.asked.route = route::copy;
  return check_target(m);
}

}  // namespace zc::detail
