// Everything on the ring: IORING_OP_SPLICE in linked pairs, file to pipe and pipe to socket, on the
// kernel's workers. The sockets block, so that no half of a pair is short; the pairs of many
// connections share an io_uring_enter(2).

#include <algorithm>
#include <vector>

#include "connection.hpp"
#include "own_pipe.hpp"
#include "raw_ring.hpp"

namespace baseline {

namespace {

constexpr std::size_t pipe_bytes = 256 * 1024;

struct exchange : connection {
  own_pipe through;
  std::size_t moving = 0;  // 0: waits for a request
};

void await_request(raw_ring& ring, exchange& of) {
  io_uring_sqe* const entry = ring.entry();
  io_uring_prep_recv(entry, of.socket, of.request.data(), of.request_size, 0);
  entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
  io_uring_sqe_set_data64(entry, of.index);
  of.moving = 0;
}

void move_piece(raw_ring& ring, exchange& of, const serving& what) {
  // Both or none: a link must not be cut in two by a full ring.
  if (io_uring_sq_space_left(ring.get()) < 2) {
    bench::require_ring(io_uring_submit(ring.get()), "io_uring_enter");
  }
  of.moving = std::min(what.file_bytes - of.sent, pipe_bytes);
  const bool last = of.sent + of.moving == what.file_bytes;
  io_uring_sqe* const fill = ring.entry();
  io_uring_prep_splice(fill, what.file, position(of, what), of.through.write_end(), -1,
                       static_cast<unsigned>(of.moving), 0);
  // A fill that fails or is short breaks the link: the drain's completion tells.
  fill->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(fill, of.index);
  io_uring_sqe* const drain = ring.entry();
  io_uring_prep_splice(drain, of.through.read_end(), -1, of.socket, -1,
                       static_cast<unsigned>(of.moving), last ? 0 : SPLICE_F_MORE);
  io_uring_sqe_set_data64(drain, of.index);
}

}  // namespace

void serve_turns_ring_splice(const serving& what) {
  raw_ring ring;
  const std::vector<connection> connections = connections_of(what);
  std::vector<exchange> all;
  for (const connection& each : connections) all.push_back({{each}, own_pipe(pipe_bytes)});
  for (exchange& each : all) {
    if (what.asked) {
      await_request(ring, each);
    } else {
      move_piece(ring, each, what);
    }
  }
  std::size_t open = all.size();
  while (open > 0) {
    ring.turn(true, [&](std::uint64_t index, int result) {
      exchange& of = all[index];
      const auto done =
          static_cast<std::size_t>(bench::require_ring(result, "IORING_OP_SPLICE or OP_RECV"));
      outcome now = outcome::more;
      if (of.moving == 0) {
        bench::require_equal(done, of.request_size, "bytes of a request");
      } else {
        bench::require_equal(done, of.moving, "bytes sent by the ring");
        now = advance(of, what, done);
      }
      if (now == outcome::more) move_piece(ring, of, what);
      if (now == outcome::done) await_request(ring, of);
      if (now == outcome::over) --open;
    });
  }
}

}  // namespace baseline
