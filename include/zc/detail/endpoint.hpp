#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <system_error>

#include "zc/detail/export.hpp"
#include "zc/result.hpp"

namespace zc::detail {

/// One end of a transfer: what its descriptor is, as far as that decides how bytes go.
///
/// Looked at anew for each transfer, as flags can change with fcntl(2), but where the caller says
/// that they do not: for a known_source, a known_target, and what a batch names more than once.
struct ZC_API endpoint {
  enum class kind : std::uint8_t {
    file,    // regular file, block device: always ready, may block on its disk
    pipe,    // pipe or FIFO
    socket,  // any socket
    tty,     // terminal or pty
    other,   // character devices, eventfd and the like
  };

  int fd = -1;
  kind is = kind::other;
  bool seekable = false;     // has a position, and takes an offset
  bool nonblocking = false;  // O_NONBLOCK
  bool append = false;       // O_APPEND
  bool direct_io = false;    // O_DIRECT
  bool messages = false;     // a socket with boundaries: datagram, seqpacket
  bool datagrams = false;    // of these, one without a connection's end
  bool never_waits = false;  // a device that is nothing but memory: /dev/null, /dev/zero
  bool in_memory = false;    // a regular file that is nothing but memory: tmpfs, memfd, ramfs
  bool known_room = true;    // poll(2)'s "writable" is known to promise room
  bool gathers = false;      // SO_RCVLOWAT: poll(2)'s "readable" comes later than the first byte
  std::size_t unsent_limit_bytes = std::numeric_limits<std::size_t>::max();  // TCP_NOTSENT_LOWAT
  std::optional<std::uint64_t> size;  // of a regular file that has a true one
  dev_t device = 0;                   // with inode: which pipe, file or block device it is
  ino_t inode = 0;

  /// What O_DIRECT wants memory, offset and length to be multiples of: the device's block divides
  /// it.
  static constexpr std::size_t block_bytes = 4096;
  /// Whether it is read and written in whole blocks. (O_DIRECT on a pipe is something else.)
  bool in_blocks() const noexcept { return direct_io && is == kind::file; }

  bool is_pipe() const noexcept { return is == kind::pipe; }

  /// splice(2) appends to nothing but pipes.
  bool takes_splices() const noexcept { return !append || is_pipe(); }

  /// Whether waiting for it makes sense: a file is always ready.
  bool pollable() const noexcept { return is != kind::file && !never_waits; }

  /// Whether there are bytes that poll(2) may not tell of. What is there is to be taken, as recv(2)
  /// takes it; only what is not there is worth waiting for.
  bool has_untold_bytes() const noexcept;

  /// Whether reading, which failed with `error`, has come to the end. The master of a pty says EIO
  /// once nobody has its slave open; a terminal that hangs up may say so too, and cannot be spliced
  /// any more. (From all else EIO is a failure.)
  bool ends_with(std::error_code error) const noexcept;

  /// Whether splice(2) with SPLICE_F_NONBLOCK might still block on it (a file's disk aside): TCP
  /// and ttys heed nothing but their own O_NONBLOCK.
  bool may_block() const noexcept {
    return (is == kind::socket || is == kind::tty) && !nonblocking;
  }

  /// Whether sendfile(2) to it, of what is in memory, never waits.
  bool sends_at_once() const noexcept {
    return never_waits || (is == kind::socket && !messages && nonblocking);
  }

  /// Whether a splice on the ring could park a kernel worker on it, although waiting for `events`
  /// has ended: poll(2) tells of errors unasked, and one may be no more than a message in a
  /// socket's error queue, a timestamp, say.
  bool may_park(short events) const noexcept;

  /// How many bytes can be written in one go without blocking, by a single writer, after poll(2)
  /// said writable.
  std::size_t room_bytes() const noexcept;

  /// The same where a write must not be larger; unbounded where O_NONBLOCK or SPLICE_F_NONBLOCK
  /// makes a larger one a short one.
  std::size_t write_limit_bytes() const noexcept;

  /// The largest message there is.
  static constexpr std::size_t message_limit_bytes = 1024 * 1024;
};

class descriptor_looks;

enum class direction : std::uint8_t { reading, writing };

/// Looks at a descriptor that is to be read or written: EBADF where it is closed or not open for
/// that, EISDIR for a directory, ENOTCONN for a listening socket, EINVAL for what no bytes go
/// through (epoll, pidfd). `about`: what fstat(2) has just said of it, where that is known.
///
/// `looks`: what remembers which file systems are in memory, where there is one.
ZC_API result<endpoint> look_at(int fd, direction use, const struct stat* about = nullptr,
                                descriptor_looks* looks = nullptr) noexcept;

}  // namespace zc::detail
