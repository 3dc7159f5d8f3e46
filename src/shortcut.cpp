#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <span>

#include "direct_call.hpp"
#include "mover.hpp"

namespace zc::detail {

namespace {

// Up to here a copy is cheaper than what it takes to know that sendfile(2) will not block.
constexpr std::uint64_t copied_limit_bytes = 16 * 1024;
// Up to a default pipe, which sendfile(2) has inside, it is cheaper than a pipe of ours.
constexpr std::uint64_t sendfile_limit_bytes = 64 * 1024;

/// How many bytes the call asks for, where that is few, certain, and all there is to know of `in`.
std::uint64_t few_bytes(const splice_options& asked, int in) noexcept {
  if (asked.route != route::automatic || asked.flags != splice_flags::none) return 0;
  if (asked.offset < 0 || (asked.out_offset != 0 && asked.out_offset != file_position)) return 0;
  std::uint64_t nbytes = asked.nbytes;
  if (nbytes == to_end) {
    struct stat about {};
    // A file without blocks may be one that makes its content up.
    if (::fstat(in, &about) < 0 || !S_ISREG(about.st_mode) || about.st_blocks == 0) return 0;
    if (asked.offset >= about.st_size) return 0;
    nbytes = static_cast<std::uint64_t>(about.st_size - asked.offset);
  }
  return nbytes <= copied_limit_bytes ? nbytes : 0;
}

/// Errors that will still be there for who looks closer, and tells them apart better.
bool is_lasting(int error) noexcept {
  switch (error) {
    case EAGAIN:
    case EBADF:
    case EDESTADDRREQ:
    case EINTR:
    case EINVAL:
    case EMSGSIZE:
    case ENOSYS:
    case ENOTCONN:
    case ENOTSOCK:
    case EOPNOTSUPP:
    case EPIPE:
      return true;
    default:
      return false;
  }
}

}  // namespace

few_sent send_few(mover& m, int in, int out) noexcept {
  const auto nbytes = static_cast<std::size_t>(few_bytes(m.asked, in));
  const std::span<std::byte> memory = m.scratch();
  if (nbytes == 0 || memory.size() <= nbytes || m.cancelled()) return {};
  // Never whole blocks: an O_DIRECT read, which would wait for the disk, refuses that.
  const std::size_t uneven = nbytes % 512 == 0 ? nbytes + 1 : nbytes;
  const int got = direct_read_now(m.kernel(), in, memory.data(), uneven, m.asked.offset);
  // All of it, so the range is there: nothing is left for a closer look to refuse.
  if (got < 0 || static_cast<std::size_t>(got) < nbytes) return {};
  const int sent = direct_send(m.kernel(), out, memory.data(), nbytes, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent > 0) return {static_cast<std::size_t>(sent), nbytes};
  if (sent < 0 && !is_lasting(-sent)) m.stop(errno_code(-sent), side::out);
  return {};
}

void send_file(mover& m) noexcept {
  const bool serves = !m.forced() && m.in.is == endpoint::kind::file && m.in.size &&
                      m.out.is == endpoint::kind::socket && !m.out.messages && m.in_at >= 0 &&
                      m.left <= sendfile_limit_bytes && m.is_direct(m.out);
  if (!serves || m.left == 0 || m.cancelled()) return;
  const auto nbytes = static_cast<std::size_t>(m.left);
  if (!m.takes_directly(nbytes)) return;
  const int sent = direct_sendfile(m.kernel(), m.in.fd, m.in_at, m.out.fd, nbytes);
  if (sent > 0) {
    m.took(static_cast<std::size_t>(sent));
    m.gave(static_cast<std::size_t>(sent), route::direct);
    // Short of a file's end that has moved, it may have said that more follows.
    m.corked = m.left > 0;
  } else if (sent < 0 && !is_lasting(-sent)) {
    m.stop(errno_code(-sent), side::out);
  }
}

}  // namespace zc::detail
