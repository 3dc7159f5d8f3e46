// splice(2) twice through a pipe of 1 MiB, where sendfile(2) has 64 KiB.

#include <fcntl.h>

#include <algorithm>

#include "own_pipe.hpp"
#include "send_file.hpp"

namespace baseline {

void send_by_splice(int file, int socket, std::uint64_t bytes) {
  constexpr std::uint64_t pipe_bytes = 1024 * 1024;
  const own_pipe through(pipe_bytes);
  for (off_t at = 0; static_cast<std::uint64_t>(at) < bytes;) {
    const std::uint64_t left = bytes - static_cast<std::uint64_t>(at);
    ssize_t filled = bench::require(
        ::splice(file, &at, through.write_end(), nullptr, std::min(left, pipe_bytes), 0),
        "splice from the file");
    if (filled == 0) return;
    const unsigned flags = static_cast<std::uint64_t>(at) < bytes ? SPLICE_F_MORE : 0;
    while (filled > 0) {
      filled -= bench::require(::splice(through.read_end(), nullptr, socket, nullptr,
                                        static_cast<std::size_t>(filled), flags),
                               "splice to the socket");
    }
  }
}

}  // namespace baseline
