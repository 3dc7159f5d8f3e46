#include "pipe.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace zc::detail {

result<pipe> make_pipe(std::size_t bytes) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) < 0) {
    return std::error_code(errno, std::system_category());
  }
  pipe made{fd(ends[0]), fd(ends[1]), 0};
  int size = ::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(bytes));
  // EPERM: over the user's limits. The pipe works as it is, smaller.
  if (size < 0) size = ::fcntl(ends[1], F_GETPIPE_SZ);
  if (size < 0) return std::error_code(errno, std::system_category());
  made.capacity_bytes = static_cast<std::size_t>(size);
  return made;
}

}  // namespace zc::detail
