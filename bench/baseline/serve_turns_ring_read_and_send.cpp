// Everything on the ring, without pipes: IORING_OP_READ_FIXED into a registered buffer, linked with
// IORING_OP_SEND from it. A hot file is read while the entry is submitted; no worker is woken.

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <vector>

#include "raw_ring.hpp"
#include "serve.hpp"

namespace baseline {

namespace {

constexpr std::size_t buffer_bytes = 64 * 1024;

struct exchange {
  int socket = -1;
  std::byte* buffer = nullptr;
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
  if (io_uring_sq_space_left(ring.get()) < 2) {
    bench::require_ring(io_uring_submit(ring.get()), "io_uring_enter");
  }
  of.moving = std::min(what.file_bytes - of.sent, buffer_bytes);
  io_uring_sqe* const read = ring.entry();
  io_uring_prep_read_fixed(read, what.file, of.buffer, static_cast<unsigned>(of.moving), of.sent,
                           static_cast<int>(index));
  read->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(read, index);
  io_uring_sqe* const send = ring.entry();
  io_uring_prep_send(send, of.socket, of.buffer, of.moving, MSG_WAITALL);
  io_uring_sqe_set_data64(send, index);
}

}  // namespace

void serve_ring_read_send(const serving& what) {
  raw_ring ring;
  std::vector<exchange> all(what.sockets.size());
  std::vector<std::byte> memory(all.size() * buffer_bytes);
  std::vector<iovec> buffers;
  for (std::size_t index = 0; index < all.size(); ++index) {
    all[index].socket = what.sockets[index];
    all[index].buffer = memory.data() + index * buffer_bytes;
    buffers.push_back({all[index].buffer, buffer_bytes});
  }
  bench::require_ring(
      io_uring_register_buffers(ring.get(), buffers.data(), static_cast<unsigned>(buffers.size())),
      "io_uring_register_buffers");
  for (std::size_t index = 0; index < all.size(); ++index) await_request(ring, all[index], index);
  std::size_t open = all.size();
  while (open > 0) {
    ring.turn(true, [&](std::uint64_t index, int result) {
      exchange& of = all[index];
      const auto done =
          static_cast<std::size_t>(bench::require_ring(result, "IORING_OP_SEND or OP_RECV"));
      if (of.moving == 0) {
        if (done == 0) {
          --open;
          return;
        }
        of.sent = 0;
      } else {
        bench::require_equal(done, of.moving, "bytes sent by IORING_OP_SEND");
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
