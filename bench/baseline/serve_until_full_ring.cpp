// A ring to wait, by one IORING_OP_POLL_ADD of many shots for each connection, and sendfile(2)
// until the socket takes no more.

#include <poll.h>

#include "raw_ring.hpp"
#include "sendfile_step.hpp"
#include "until_full.hpp"

namespace baseline {

namespace {

void watch(raw_ring& ring, const connection& which) {
  io_uring_sqe* const entry = ring.entry();
  io_uring_prep_poll_multishot(entry, which.socket, POLLIN | POLLOUT);
  io_uring_sqe_set_data64(entry, which.index);
}

}  // namespace

void serve_until_full_ring(const serving& what) {
  std::vector<connection> all = connections_of(what);
  raw_ring ring(1024);
  for (const connection& each : all) watch(ring, each);
  std::size_t open = all.size();
  while (open > 0) {
    ring.turn(true, [&](std::uint64_t index, int result, unsigned flags) {
      connection& to = all[index];
      if (to.socket < 0) return;
      bench::require_ring(result, "IORING_OP_POLL_ADD");
      if (!fill(to, [&](connection& of) { return send_by_sendfile(of, what, what.file_bytes); })) {
        to.socket = -1;
        --open;
      } else if ((flags & IORING_CQE_F_MORE) == 0) {
        watch(ring, to);
      }
    });
  }
}

}  // namespace baseline
