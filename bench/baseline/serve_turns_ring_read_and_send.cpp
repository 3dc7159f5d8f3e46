// Everything on the ring, without pipes: IORING_OP_READ_FIXED into a registered buffer, linked with
// IORING_OP_SEND from it. A hot file is read while the entry is submitted; no worker is woken.

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <vector>

#include "connection.hpp"
#include "raw_ring.hpp"

namespace baseline {

namespace {

constexpr std::size_t buffer_bytes = 64 * 1024;

struct exchange : connection {
  std::byte* buffer = nullptr;
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
  if (io_uring_sq_space_left(ring.get()) < 2) {
    bench::require_ring(io_uring_submit(ring.get()), "io_uring_enter");
  }
  of.moving = std::min(what.file_bytes - of.sent, buffer_bytes);
  io_uring_sqe* const read = ring.entry();
  io_uring_prep_read_fixed(read, what.file, of.buffer, static_cast<unsigned>(of.moving),
                           static_cast<std::uint64_t>(position(of, what)),
                           static_cast<int>(of.index));
  read->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(read, of.index);
  io_uring_sqe* const send = ring.entry();
  io_uring_prep_send(send, of.socket, of.buffer, of.moving, MSG_WAITALL);
  io_uring_sqe_set_data64(send, of.index);
}

}  // namespace

void serve_turns_ring_read_and_send(const serving& what) {
  raw_ring ring;
  std::vector<std::byte> memory(what.sockets.size() * buffer_bytes);
  std::vector<exchange> all;
  std::vector<iovec> buffers;
  for (const connection& each : connections_of(what)) {
    std::byte* const buffer = memory.data() + each.index * buffer_bytes;
    all.push_back({{each}, buffer});
    buffers.push_back({buffer, buffer_bytes});
  }
  bench::require_ring(
      io_uring_register_buffers(ring.get(), buffers.data(), static_cast<unsigned>(buffers.size())),
      "io_uring_register_buffers");
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
          static_cast<std::size_t>(bench::require_ring(result, "IORING_OP_SEND or OP_RECV"));
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
