#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <optional>
#include <span>

#include "engine/direct_call.hpp"
#include "transfer/mover.hpp"

namespace zc::detail {

namespace {

// Up to here a copy is cheaper than what it takes to know that sendfile(2) will not block.
constexpr std::uint64_t copied_limit_bytes = 8 * 1024;
// Up to a default pipe, which sendfile(2) has inside, it is cheaper than a pipe of ours.
constexpr std::uint64_t sendfile_limit_bytes = 64 * 1024;

/// Whether the call has nothing about it that takes a closer look.
bool is_plain(const splice_options& asked) noexcept {
  return asked.route == route::automatic && asked.flags == splice_flags::none &&
         asked.offset >= 0 && asked.nbytes != 0 &&
         (asked.out_offset == 0 || asked.out_offset == file_position);
}

/// Whether it is a regular file, or a directory, with blocks of its own: none that makes its
/// content up, and none of which a read takes what it gives. Costs less than fstat(2), and tells
/// less.
bool is_stored(int fd) noexcept {
  loff_t bytes = 0;
  return ::ioctl(fd, FIOQSIZE, &bytes) == 0 && bytes > 0;
}

/// The part of a file that a call asks for.
struct part {
  std::int64_t from;
  std::uint64_t nbytes;

  /// False where the file ends before the part does. Whose size becomes known.
  bool fits(const stored_file& file) noexcept {
    if (static_cast<std::uint64_t>(from) >= file.size) return false;
    const std::uint64_t after = file.size - static_cast<std::uint64_t>(from);
    if (nbytes == to_end) nbytes = after;
    return nbytes <= after;
  }
};

/// What fstat(2) says; not, where it is no regular file or may be one that makes its content up.
std::optional<stored_file> look(int in, std::optional<struct stat>& about) noexcept {
  if (::fstat(in, &about.emplace()) < 0) {
    about.reset();
    return {};
  }
  if (!S_ISREG(about->st_mode) || about->st_blocks == 0) return {};
  return stored_file{about->st_dev, about->st_ino, static_cast<std::uint64_t>(about->st_size)};
}

/// The same without a system call, where it is known.
std::optional<stored_file> known_file(const foreknowledge& known, int in) noexcept {
  if (known.in != nullptr) {
    const result<endpoint>& about = *known.in;
    if (!about || !about->size || about->direct_io) return {};
    return stored_file{about->device, about->inode, *about->size};
  }
  const stored_file* const found = known.batch != nullptr ? known.batch->find(in) : nullptr;
  return found != nullptr ? std::optional(*found) : std::nullopt;
}

bool is_ready(const foreknowledge& known, int out) noexcept {
  if (known.out != nullptr) return *known.out && (*known.out)->sends_at_once();
  return known.batch != nullptr && known.batch->is_ready(out);
}

/// How more than a few bytes can go to a descriptor at once: not, where it has no value.
std::optional<route> shortest_to(const foreknowledge& known, int out) noexcept {
  if (known.out != nullptr) {
    const bool blocks =
        *known.out && (*known.out)->is == endpoint::kind::socket && !(*known.out)->nonblocking;
    return blocks ? std::optional(route::copy) : std::nullopt;
  }
  int type = 0;
  socklen_t length = sizeof type;
  if (::getsockopt(out, SOL_SOCKET, SO_TYPE, &type, &length) < 0) return {};
  const int flags = ::fcntl(out, F_GETFL);
  // Only send(2) can be told not to wait.
  if ((flags & O_NONBLOCK) == 0) return route::copy;
  if (type != SOCK_STREAM) return {};
  if (known.batch != nullptr) known.batch->add_ready(out);
  return route::direct;
}

/// How the part can go at once, whose size becomes known.
std::optional<route> shortest(mover& m, int in, part& wanted, int out, const foreknowledge& known,
                              std::optional<struct stat>& about) noexcept {
  const bool ready = is_ready(known, out);
  std::optional<stored_file> file = known_file(known, in);
  if (!file) {
    if (known.in != nullptr) return {};
    // That there is so much of it, the read will tell.
    if (!ready && wanted.nbytes <= copied_limit_bytes && is_stored(in)) return route::copy;
    file = look(in, about);
    if (!file) return {};
    if (known.batch != nullptr) known.batch->add(in, *file);
  }
  if (!wanted.fits(*file) || wanted.nbytes > sendfile_limit_bytes) return {};
  const bool small = wanted.nbytes <= copied_limit_bytes;
  if (small && !ready) return route::copy;
  const std::optional<route> how = ready ? route::direct : shortest_to(known, out);
  if (how != route::direct) return how;
  page_cache& cache = m.shared().cache;
  const page_cache::range all{file->device, file->inode, wanted.from,
                              static_cast<std::size_t>(wanted.nbytes)};
  if (cache.gives(in, all)) return how;
  return small ? std::optional(route::copy) : std::nullopt;
}

/// How many bytes went by a read and a send, or -errno; 0 where it is not as simple as that. All of
/// the part is read, so it is there: nothing is left for a closer look to refuse.
int read_and_send(mover& m, int in, std::int64_t from, std::size_t nbytes, int out) noexcept {
  const std::span<std::byte> memory = m.scratch();
  if (memory.size() <= nbytes) return 0;
  // Never whole blocks: an O_DIRECT read, which would wait for the disk, refuses that.
  const std::size_t uneven = nbytes % 512 == 0 ? nbytes + 1 : nbytes;
  const int got = direct_read_now(m.kernel(), in, memory.data(), uneven, from);
  if (got < 0 || static_cast<std::size_t>(got) < nbytes) return 0;
  return direct_send(m.kernel(), out, memory.data(), nbytes, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/// Errors that will still be there for who looks closer, and tells them apart better.
bool is_lasting(int error) noexcept {
  switch (error) {
    case EACCES:
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
    case EPERM:
    case EPIPE:
      return true;
    default:
      return false;
  }
}

}  // namespace

sent_at_once send_at_once(mover& m, int in, int out, const foreknowledge& known,
                          std::optional<struct stat>& about) noexcept {
  if (!is_plain(m.asked) || m.cancelled()) return {};
  part wanted{m.asked.offset, m.asked.nbytes};
  const std::optional<route> how = shortest(m, in, wanted, out, known, about);
  if (!how) return {};
  const auto nbytes = static_cast<std::size_t>(wanted.nbytes);
  int sent = 0;
  if (*how == route::direct) {
    sent = direct_sendfile(m.kernel(), in, wanted.from, out, nbytes);
    // Short of a file's end that has moved, it may have said that more follows.
    m.corked = sent > 0 && static_cast<std::size_t>(sent) < nbytes;
  } else {
    sent = read_and_send(m, in, wanted.from, nbytes, out);
  }
  if (sent > 0) return {static_cast<std::size_t>(sent), nbytes, *how};
  if (sent < 0 && !is_lasting(-sent)) m.stop(errno_code(-sent), side::out);
  return {0, nbytes, *how};
}

}  // namespace zc::detail
