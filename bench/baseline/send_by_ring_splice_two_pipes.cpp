// IORING_OP_SPLICE through two pipes: while one is drained into the socket, the other is filled, on
// another worker.

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "own_pipe.hpp"
#include "raw_ring.hpp"
#include "send_file.hpp"

namespace baseline {

namespace {

struct lane {
  explicit lane(int pipe_bytes) : through(pipe_bytes) {}
  own_pipe through;
  unsigned filled = 0;
};

}  // namespace

void send_by_ring_splice_two_pipes(int file, int socket, std::uint64_t bytes, int pipe_bytes) {
  raw_ring ring(8);
  std::array<lane, 2> lanes{lane(pipe_bytes), lane(pipe_bytes)};
  std::uint64_t taken = 0;
  std::uint64_t sent = 0;
  enum : std::uint64_t { fill_done, drain_done };
  for (std::size_t turn = 0; sent < bytes; ++turn) {
    lane& filling = lanes[turn % 2];
    lane& draining = lanes[(turn + 1) % 2];
    const auto piece = static_cast<unsigned>(
        std::min<std::uint64_t>(bytes - taken, static_cast<std::uint64_t>(pipe_bytes)));
    unsigned running = 0;
    if (piece > 0) {
      io_uring_sqe* const fill = ring.entry();
      io_uring_prep_splice(fill, file, static_cast<std::int64_t>(taken),
                           filling.through.write_end(), -1, piece, 0);
      io_uring_sqe_set_data64(fill, fill_done);
      ++running;
    }
    const auto drain = [&] {
      io_uring_sqe* const entry = ring.entry();
      io_uring_prep_splice(entry, draining.through.read_end(), -1, socket, -1, draining.filled,
                           sent + draining.filled < bytes ? SPLICE_F_MORE : 0);
      io_uring_sqe_set_data64(entry, drain_done);
      ++running;
    };
    if (draining.filled > 0) drain();
    while (running > 0) {
      ring.turn(true, [&](std::uint64_t which, int result) {
        const auto moved = static_cast<unsigned>(bench::require_ring(result, "IORING_OP_SPLICE"));
        --running;
        if (which == fill_done) {
          if (moved == 0) throw std::runtime_error("the file has become shorter");
          filling.filled = moved;
          taken += moved;
        } else {
          draining.filled -= moved;
          sent += moved;
          if (draining.filled > 0) drain();
        }
      });
    }
  }
}

}  // namespace baseline
