#pragma once

#include <poll.h>

#include <cstdint>

#include "raw_ring.hpp"
#include "turns.hpp"

namespace baseline {

/// The epoll loop with a ring in epoll's place: requests come by IORING_OP_RECV, room in a socket
/// by IORING_OP_POLL_ADD, many of them with one io_uring_enter(2). The moves are direct calls.
///
/// `send(connection)` sends the next piece of its answer.
template <class Send>
void serve_with_ring(const serving& what, const Send& send) {
  raw_ring ring;
  turns all(connections_of(what));
  const auto await_request = [&](std::size_t index) {
    io_uring_sqe* const entry = ring.entry();
    connection& of = all.connections[index];
    io_uring_prep_recv(entry, of.socket, of.request.data(), of.request_size, 0);
    // The client has only just been answered: a first try would find nothing.
    entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
    io_uring_sqe_set_data64(entry, index);
  };
  const auto await_room = [&](std::size_t index) {
    io_uring_sqe* const entry = ring.entry();
    io_uring_prep_poll_add(entry, all.connections[index].socket, POLLOUT);
    io_uring_sqe_set_data64(entry, index);
  };
  for (std::size_t index = 0; index < all.connections.size(); ++index) {
    if (what.asked) {
      await_request(index);
    } else {
      all.add(index);
    }
  }

  std::size_t open = all.connections.size();
  while (open > 0) {
    ring.turn(all.empty(), [&](std::uint64_t index, int result) {
      connection& of = all.connections[index];
      if (!of.answering) {
        bench::require_equal(static_cast<unsigned>(bench::require_ring(result, "IORING_OP_RECV")),
                             of.request_size, "bytes of a request");
        of.answering = true;
      }
      all.add(index);
    });
    all.once_each([&](connection& each) {
      const outcome sent = send(each);
      if (sent == outcome::blocked) await_room(each.index);
      if (sent == outcome::over) --open;
      if (sent == outcome::done) {
        each.answering = false;
        await_request(each.index);
      }
      return sent == outcome::more;
    });
  }
}

}  // namespace baseline
