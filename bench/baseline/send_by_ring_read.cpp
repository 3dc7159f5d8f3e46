// IORING_OP_READ_FIXED and IORING_OP_SEND through two registered buffers: the next piece is read in
// the io_uring_enter(2) that sends the last one.

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <vector>

#include "raw_ring.hpp"
#include "send_file.hpp"

namespace baseline {

void send_by_ring_read(int file, int socket, std::uint64_t bytes, unsigned buffer_bytes) {
  raw_ring ring(8);
  std::vector<std::byte> memory(std::size_t{2} * buffer_bytes);
  std::array<iovec, 2> buffers{
      {{memory.data(), buffer_bytes}, {memory.data() + buffer_bytes, buffer_bytes}}};
  bench::require_ring(io_uring_register_buffers(ring.get(), buffers.data(), 2),
                      "io_uring_register_buffers");
  enum : std::uint64_t { read_done, send_done };
  std::array<unsigned, 2> filled{};
  std::uint64_t taken = 0;
  std::uint64_t sent = 0;
  for (unsigned turn = 0; sent < bytes; ++turn) {
    const unsigned reading = turn % 2;
    const unsigned sending = 1 - reading;
    unsigned running = 0;
    // First, as it does not wait: whoever reads is served while the pages are copied.
    if (filled[sending] > 0) {
      io_uring_sqe* const send = ring.entry();
      io_uring_prep_send(send, socket, buffers[sending].iov_base, filled[sending], MSG_WAITALL);
      io_uring_sqe_set_data64(send, send_done);
      ++running;
    }
    const auto piece = static_cast<unsigned>(std::min<std::uint64_t>(bytes - taken, buffer_bytes));
    if (piece > 0) {
      io_uring_sqe* const read = ring.entry();
      io_uring_prep_read_fixed(read, file, buffers[reading].iov_base, piece, taken,
                               static_cast<int>(reading));
      io_uring_sqe_set_data64(read, read_done);
      ++running;
    }
    while (running > 0) {
      ring.turn(true, [&](std::uint64_t which, int result) {
        const auto moved = static_cast<unsigned>(bench::require_ring(result, "IORING_OP"));
        --running;
        if (which == read_done) {
          if (moved == 0) throw std::runtime_error("the file has become shorter");
          filled[reading] = moved;
          taken += moved;
        } else {
          bench::require_equal(moved, filled[sending], "bytes sent by IORING_OP_SEND");
          filled[sending] = 0;
          sent += moved;
        }
      });
    }
  }
}

}  // namespace baseline
