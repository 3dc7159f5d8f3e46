#include "zc/detail/endpoint.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

#include "sys/proc.hpp"
#include "transfer/descriptor_looks.hpp"
#include "zc/detail/errno_code.hpp"

namespace zc::detail {

namespace {

/// /dev/null and /dev/zero, by whatever name.
bool is_only_memory(dev_t device) noexcept {
  return device == makedev(1, 3) || device == makedev(1, 5);
}

// A tty takes at least this much after poll(2) said so, even when every byte becomes two.
constexpr std::size_t tty_room_bytes = 512;
// A blocking pipe that poll(2) calls writable takes this much without blocking (pipe(7)).
constexpr std::size_t pipe_room_bytes = 4096;
// What is written to a socket with message boundaries goes in pieces that fit into a datagram.
constexpr std::size_t message_bytes = 32 * 1024;

/// Whether st_size of this regular file means anything: /proc, /sys and their like make their
/// content up while it is read.
bool has_true_size(int fd, const struct stat& about) noexcept {
  if (about.st_blocks != 0) return true;
  struct statfs system {};
  if (::fstatfs(fd, &system) < 0) return true;
  constexpr std::array<unsigned long, 9> made_up{
      PROC_SUPER_MAGIC,   SYSFS_MAGIC,         DEBUGFS_MAGIC, TRACEFS_MAGIC, SECURITYFS_MAGIC,
      CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, BPF_FS_MAGIC,  SELINUX_MAGIC};
  const auto magic = static_cast<unsigned long>(system.f_type);
  if (std::find(made_up.begin(), made_up.end(), magic) != made_up.end()) return false;
  // There are more such file systems than one can list. Only a file that says it is empty can be
  // one of theirs.
  std::byte first{};
  return about.st_size != 0 || ::pread(fd, &first, 1, 0) <= 0;
}

int socket_option(int fd, int option) noexcept {
  int value = 0;
  socklen_t length = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 ? value : 0;
}

/// Whether the kind of file has a read or write function at all. An epoll set or a pidfd, say, has
/// none, and waiting until it is ready for one would be for ever. No bytes, so this never blocks.
bool can_transfer(int fd, direction use) noexcept {
  return (use == direction::reading ? ::readv(fd, nullptr, 0) : ::writev(fd, nullptr, 0)) == 0;
}

/// How much a TCP socket may hold unsent before a write blocks: its own limit, or the system's.
std::size_t unsent_limit(int fd) noexcept {
  unsigned bytes = 0;
  socklen_t length = sizeof bytes;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, &length) == 0 && bytes != 0) {
    return bytes;
  }
  const auto system = number_in("/proc/sys/net/ipv4/tcp_notsent_lowat");
  return system && *system > 0 ? *system : std::numeric_limits<std::size_t>::max();
}

void look_at_socket(endpoint& found, direction use) noexcept {
  const int type = socket_option(found.fd, SO_TYPE);
  found.messages = type != SOCK_STREAM;
  found.datagrams = type == SOCK_DGRAM;
  if (use == direction::reading) found.gathers = socket_option(found.fd, SO_RCVLOWAT) > 1;
  if (use == direction::reading || !found.may_block()) return;
  const int family = socket_option(found.fd, SO_DOMAIN);
  const bool inet = family == AF_INET || family == AF_INET6;
  found.known_room = inet || family == AF_UNIX;
  if (inet && !found.messages) found.unsent_limit_bytes = unsent_limit(found.fd);
}

/// One that has hung up answers nothing but EIO.
bool is_tty(int fd) noexcept { return ::isatty(fd) == 1 || errno == EIO; }

bool is_open_for(int flags, direction use) noexcept {
  if ((flags & O_PATH) != 0) return false;
  const int mode = flags & O_ACCMODE;
  return mode == O_RDWR || mode == (use == direction::reading ? O_RDONLY : O_WRONLY);
}

/// What a descriptor is, by its flags and what fstat(2) says.
result<endpoint> classify(int fd, direction use, int flags, const struct stat& about,
                          descriptor_looks* looks) noexcept {
  if (S_ISDIR(about.st_mode)) return errno_code(EISDIR);
  if (!is_open_for(flags, use)) return errno_code(EBADF);

  endpoint found;
  found.fd = fd;
  found.nonblocking = (flags & O_NONBLOCK) != 0;
  found.append = (flags & O_APPEND) != 0;
  found.direct_io = (flags & O_DIRECT) != 0;
  found.device = about.st_dev;
  found.inode = about.st_ino;
  switch (about.st_mode & S_IFMT) {
    case S_IFREG:
      found.is = endpoint::kind::file;
      found.seekable = true;
      if (has_true_size(fd, about)) found.size = static_cast<std::uint64_t>(about.st_size);
      found.in_memory = looks != nullptr ? looks->is_memory(fd, about.st_dev) : is_in_memory(fd);
      break;
    case S_IFBLK:
      found.is = endpoint::kind::file;
      found.seekable = true;
      // Several nodes may be of one device; no file in a file system on it has this number.
      found.device = about.st_rdev;
      found.inode = 0;
      break;
    case S_IFIFO:
      found.is = endpoint::kind::pipe;
      break;
    case S_IFSOCK:
      found.is = endpoint::kind::socket;
      look_at_socket(found, use);
      // Polling one waits for a connection, not for bytes.
      if (socket_option(fd, SO_ACCEPTCONN) != 0) return errno_code(ENOTCONN);
      break;
    case S_IFCHR:
      found.never_waits = is_only_memory(about.st_rdev);
      if (found.never_waits) {
        found.seekable = true;
        return found;
      }
      found.is = is_tty(fd) ? endpoint::kind::tty : endpoint::kind::other;
      found.seekable = ::lseek(fd, 0, SEEK_CUR) >= 0;
      break;
    default:  // eventfd, timerfd, signalfd, inotify, epoll, pidfd
      break;
  }
  if (found.is == endpoint::kind::other && !can_transfer(fd, use)) return errno_code(EINVAL);
  return found;
}

}  // namespace

bool is_in_memory(int fd) noexcept {
  struct statfs system {};
  if (::fstatfs(fd, &system) < 0) return false;
  constexpr std::array<unsigned long, 3> memory{TMPFS_MAGIC, RAMFS_MAGIC, HUGETLBFS_MAGIC};
  const auto magic = static_cast<unsigned long>(system.f_type);
  return std::find(memory.begin(), memory.end(), magic) != memory.end();
}

result<endpoint> look_at(int fd, direction use, const struct stat* about,
                         descriptor_looks* looks) noexcept {
  struct stat asked {};
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || (about == nullptr && ::fstat(fd, &asked) < 0)) return errno_code(errno);
  return classify(fd, use, flags, about != nullptr ? *about : asked, looks);
}

bool endpoint::has_untold_bytes() const noexcept {
  int nbytes = 0;
  return gathers && ::ioctl(fd, FIONREAD, &nbytes) == 0 && nbytes > 0;
}

bool endpoint::ends_with(std::error_code error) const noexcept {
  const bool no_bytes = error == std::errc::io_error;
  const bool no_splice = error == std::errc::invalid_argument;
  if (is != kind::tty || (!no_bytes && !no_splice)) return false;
  unsigned number = 0;
  const bool is_master = ::ioctl(fd, TIOCGPTN, &number) == 0;
  if (is_master) return no_bytes;
  pollfd one{fd, 0, 0};
  return ::poll(&one, 1, 0) == 1 && (one.revents & POLLHUP) != 0;
}

bool endpoint::may_park(short events) const noexcept {
  if (!may_block() || (events == POLLIN && has_untold_bytes())) return false;
  pollfd one{fd, events, 0};
  return ::poll(&one, 1, 0) >= 0 && (one.revents & ~POLLERR) == 0;
}

std::size_t endpoint::room_bytes() const noexcept {
  switch (is) {
    case kind::pipe:
      return pipe_room_bytes;
    case kind::tty:
      return tty_room_bytes;
    case kind::socket: {
      if (messages) return message_bytes;
      // Writable means that at least a third of the buffer is free, of TCP's and of AF_UNIX's, and
      // that less than half of what TCP may leave unsent is.
      const auto buffer = static_cast<std::size_t>(socket_option(fd, SO_SNDBUF));
      return std::max(std::min(buffer / 4, unsent_limit_bytes / 2), std::size_t{1});
    }
    default:
      return std::numeric_limits<std::size_t>::max();
  }
}

std::size_t endpoint::write_limit_bytes() const noexcept {
  return messages || may_block() ? room_bytes() : std::numeric_limits<std::size_t>::max();
}

}  // namespace zc::detail
