#pragma once

#include <cstdint>

/// One file to one TCP connection by hand, without zc: each the best its author could do. The
/// socket is in blocking mode, as nothing else is there to be done.
namespace baseline {

void send_by_sendfile(int file, int socket, std::uint64_t bytes);
void send_by_splice(int file, int socket, std::uint64_t bytes);
void send_by_read_and_send(int file, int socket, std::uint64_t bytes);

/// IORING_OP_SPLICE in pairs through one pipe of that size.
void send_by_ring_splice(int file, int socket, std::uint64_t bytes, int pipe_bytes);

/// The same through two pipes: one is filled while the other is drained.
void send_by_ring_splice_two_pipes(int file, int socket, std::uint64_t bytes, int pipe_bytes);

/// Fills by IORING_OP_SPLICE, drains by splice(2).
void send_by_ring_fill(int file, int socket, std::uint64_t bytes, int pipe_bytes);

/// IORING_OP_READ_FIXED and IORING_OP_SEND through two registered buffers of that size.
void send_by_ring_read(int file, int socket, std::uint64_t bytes, unsigned buffer_bytes);

}  // namespace baseline
