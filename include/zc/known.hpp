#pragma once

#include <sys/stat.h>

#include <type_traits>

#include "zc/detail/endpoint.hpp"
#include "zc/detail/export.hpp"
#include "zc/result.hpp"

namespace zc {

namespace detail {
struct ends;
class batch_looks;
}  // namespace detail

/// A descriptor to move bytes from, looked at once for many transfers.
///
/// splice() asks the kernel what its two descriptors are, each time, by a few system calls: a good
/// part of what a small file to a socket takes. Who keeps a descriptor for long makes one of these,
/// and says by that: as long as it is used, the descriptor is open, is the same file, and is in the
/// same mode (O_NONBLOCK, O_APPEND and O_DIRECT of fcntl(2), SO_RCVLOWAT). Where that does not
/// hold, a transfer may block the thread, or move other bytes than meant.
///
///     const zc::known_source file(open_file.get());
///     const zc::known_target client(socket.get());
///     co_await zc::splice(file, client, {.nbytes = 4096});
///
/// A regular file is taken to be as long as it was: to_end means up to there, and more is
/// EOVERFLOW, although it may have grown. One that has become shorter ends a transfer early.
///
/// Owns nothing and may be copied. What is wrong with the descriptor (EBADF, EISDIR, ...) is said
/// by the transfers. It is not changed by them: one may serve several at once, in any thread.
///
/// Needs Linux 6.1. See fstat(2), fcntl(2), getsockopt(2).
class ZC_API known_source {
 public:
  /// None: EBADF.
  known_source() noexcept;
  explicit known_source(int fd) noexcept;
  /// Where fstat(2) has just said `about` of it.
  known_source(int fd, const struct stat& about) noexcept;
  int get() const noexcept { return fd_; }

 private:
  friend detail::ends;
  friend detail::batch_looks;
  int fd_ = -1;
  result<detail::endpoint> about_;
};

/// The same for a descriptor to move bytes to.
class ZC_API known_target {
 public:
  known_target() noexcept;
  explicit known_target(int fd) noexcept;
  int get() const noexcept { return fd_; }

 private:
  friend detail::ends;
  friend detail::batch_looks;
  int fd_ = -1;
  result<detail::endpoint> about_;
};

// GCC 12 destroys a temporary of a co_await expression twice.
static_assert(std::is_trivially_destructible_v<known_source> &&
              std::is_trivially_destructible_v<known_target>);

}  // namespace zc
