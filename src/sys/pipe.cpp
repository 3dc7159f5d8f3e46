#include "sys/pipe.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "sys/own_descriptor.hpp"

namespace zc::detail {

namespace {

constexpr std::size_t least_bytes = 4096;

}  // namespace

result<pipe> make_pipe(std::size_t bytes) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) < 0) {
    return std::error_code(errno, std::system_category());
  }
  pipe made{own_descriptor(fd(ends[0])), own_descriptor(fd(ends[1])), 0};
  if (!made.read_end || !made.write_end) return std::error_code(errno, std::system_category());
  // EPERM: over the user's limits. What is allowed is as large as possible, or as it came.
  int size = -1;
  for (std::size_t wanted = std::clamp<std::size_t>(bytes, least_bytes, 1u << 30);
       size < 0 && wanted >= least_bytes; wanted /= 2) {
    size = ::fcntl(made.write_end.get(), F_SETPIPE_SZ, static_cast<int>(wanted));
    if (size < 0 && errno != EPERM) break;
  }
  if (size < 0) size = ::fcntl(made.write_end.get(), F_GETPIPE_SZ);
  if (size < 0) return std::error_code(errno, std::system_category());
  made.capacity_bytes = static_cast<std::size_t>(size);
  return made;
}

}  // namespace zc::detail
