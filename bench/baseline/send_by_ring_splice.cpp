// IORING_OP_SPLICE, fill and drain in turn. Not linked: it bought nothing here, and a short fill
// would break the link. A drain into a socket in blocking mode is never short.

#include <fcntl.h>

#include <algorithm>

#include "own_pipe.hpp"
#include "raw_ring.hpp"
#include "send_file.hpp"

namespace baseline {

void send_by_ring_splice(int file, int socket, std::uint64_t bytes, int pipe_bytes) {
  raw_ring ring(8);
  const own_pipe through(pipe_bytes);
  for (std::uint64_t at = 0; at < bytes;) {
    const auto piece = static_cast<unsigned>(
        std::min<std::uint64_t>(bytes - at, static_cast<std::uint64_t>(pipe_bytes)));
    io_uring_prep_splice(ring.entry(), file, static_cast<std::int64_t>(at), through.write_end(), -1,
                         piece, 0);
    int filled = ring.finish_one("IORING_OP_SPLICE from the file");
    if (filled == 0) return;
    at += static_cast<std::uint64_t>(filled);
    while (filled > 0) {
      io_uring_prep_splice(ring.entry(), through.read_end(), -1, socket, -1,
                           static_cast<unsigned>(filled), at < bytes ? SPLICE_F_MORE : 0);
      filled -= ring.finish_one("IORING_OP_SPLICE to the socket");
    }
  }
}

}  // namespace baseline
