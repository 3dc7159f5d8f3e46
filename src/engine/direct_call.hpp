#pragma once

#include <cstddef>
#include <cstdint>

#include "zc/result.hpp"

struct io_uring_sqe;

namespace zc::detail {

class ring;

// System calls on the calling thread, each with the arguments and the result of the op of the same
// name: a count, or -errno. An offset of -1 is NULL. `beside` is the ring whose interposer, if it
// has one, sees them.

/// What such a call gave.
result<std::size_t> as_result(int count) noexcept;

/// Whether a call may have failed because this process may not make it at all (seccomp(2)) or the
/// kernel does not have it: another way may do. Where that was not why, it says the same.
bool may_be_forbidden(int error) noexcept;

/// Whether that is so of splice(2), whatever the descriptors.
bool splice_is_forbidden() noexcept;

struct splice_arguments {
  int in;
  std::int64_t in_at;
  int out;
  std::int64_t out_at;
  std::size_t nbytes;
  unsigned flags;

  /// Fills the submission in that asks for the same.
  void prepare(io_uring_sqe& sqe) const noexcept;
};

int direct_splice(ring& beside, const splice_arguments& asked) noexcept;

/// tee(2).
int direct_tee(ring& beside, int in, int out, std::size_t nbytes, unsigned flags) noexcept;

/// read(2), or pread(2) where there is an offset.
int direct_read(ring& beside, int fd, void* buffer, std::size_t nbytes,
                std::int64_t offset) noexcept;

/// preadv2(2) with RWF_NOWAIT: what is in memory already, EAGAIN where that is nothing.
int direct_read_now(ring& beside, int fd, void* buffer, std::size_t nbytes,
                    std::int64_t offset) noexcept;

/// write(2), or pwrite(2) where there is an offset.
int direct_write(ring& beside, int fd, const void* buffer, std::size_t nbytes,
                 std::int64_t offset) noexcept;

/// sendfile(2). To a ring it looks like a splice from `in` to `out`.
int direct_sendfile(ring& beside, int in, std::int64_t in_at, int out, std::size_t nbytes) noexcept;

int direct_recv(ring& beside, int fd, void* buffer, std::size_t nbytes, int flags) noexcept;

/// The length of the next message of a socket that has boundaries; EAGAIN where none is there.
int direct_message_length(ring& beside, int fd) noexcept;

int direct_send(ring& beside, int fd, const void* buffer, std::size_t nbytes, int flags) noexcept;

/// poll(2) of one descriptor, without waiting: revents, and 0 where it is not ready.
int direct_poll(ring& beside, int fd, short events) noexcept;

}  // namespace zc::detail
