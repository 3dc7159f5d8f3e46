// One system call, if all goes well: the kernel loops.

#include <sys/sendfile.h>

#include <algorithm>

#include "send_file.hpp"
#include "support/require.hpp"

namespace baseline {

void send_by_sendfile(int file, int socket, std::uint64_t bytes) {
  // The most that one call moves.
  constexpr std::uint64_t most = 0x7ffff000;
  for (off_t at = 0; static_cast<std::uint64_t>(at) < bytes;) {
    const std::uint64_t left = bytes - static_cast<std::uint64_t>(at);
    if (bench::require(::sendfile(socket, file, &at, std::min(left, most)), "sendfile") == 0)
      return;
  }
}

}  // namespace baseline
