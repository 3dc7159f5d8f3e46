// Everything on the ring: IORING_OP_SPLICE in linked pairs, file to pipe and pipe to socket, on the
// kernel's workers. The sockets block, so that no half of a pair is short; the pairs of many
// connections share an io_uring_enter(2).

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <vector>

#include "own_pipe.hpp"
#include "raw_ring.hpp"
#include "serve.hpp"

namespace baseline {

namespace {

constexpr std::size_t pipe_bytes = 256 * 1024;

struct exchange {
  int socket = -1;
  own_pipe through;
  std::array<std::byte, request_bytes> request;
  std::size_t sent = 0;
  std::size_t moving = 0;  // 0: waits for a request
};

void await_request(raw_ring& ring, exchange& of, std::size_t index) {
  io_uring_sqe* const entry = ring.entry();
  io_uring_prep_recv(entry, of.socket, of.request.data(), of.request.size(), 0);
  entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
  io_uring_sqe_set_data64(entry, index);
  of.moving = 0;
}

void move_piece(raw_ring& ring, exchange& of, const serving& what, std::size_t index) {
  // Both or none: a link must not be cut in two by a full ring.
  if (io_uring_sq_space_left(ring.get()) < 2) {
    bench::require_ring(io_uring_submit(ring.get()), "io_uring_enter");
  }
  of.moving = std::min(what.file_bytes - of.sent, pipe_bytes);
  const bool last = of.sent + of.moving == what.file_bytes;
  io_uring_sqe* const fill = ring.entry();
  io_uring_prep_splice(fill, what.file, static_cast<std::int64_t>(of.sent), of.through.write_end(),
                       -1, static_cast<unsigned>(of.moving), 0);
  // A fill that fails or is short breaks the link: the drain's completion tells.
  fill->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(fill, index);
  io_uring_sqe* const drain = ring.entry();
  io_uring_prep_splice(drain, of.through.read_end(), -1, of.socket, -1,
                       static_cast<unsigned>(of.moving), last ? 0 : SPLICE_F_MORE);
  io_uring_sqe_set_data64(drain, index);
}

}  // namespace

void serve_ring_splice(const serving& what) {
  raw_ring ring;
  std::vector<exchange> all(what.sockets.size());
  for (std::size_t index = 0; index < all.size(); ++index) {
    all[index].socket = what.sockets[index];
    all[index].through = own_pipe(pipe_bytes);
    await_request(ring, all[index], index);
  }
  std::size_t open = all.size();
  while (open > 0) {
    ring.turn(true, [&](std::uint64_t index, int result) {
      exchange& of = all[index];
      const auto done =
          static_cast<std::size_t>(bench::require_ring(result, "IORING_OP_SPLICE or OP_RECV"));
      if (of.moving == 0) {
        if (done == 0) {
          --open;
          return;
        }
        of.sent = 0;
      } else {
        bench::require_equal(done, of.moving, "bytes drained by IORING_OP_SPLICE");
        of.sent += done;
      }
      if (of.moving > 0 && of.sent == what.file_bytes) {
        await_request(ring, of, index);
      } else {
        move_piece(ring, of, what, index);
      }
    });
  }
}

}  // namespace baseline
