#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>

/// Servers written by hand, without zc, each the best its author could do. They send files to every
/// connection, and return when the last one has been accepted by its socket.
///
/// There are two kinds: those that give each connection a piece in turn (serve_turns_*), and those
/// that fill a socket until it takes no more before they go to the next one (serve_until_full_*).
/// Which is the cheaper one depends on sizes, connections and the receiver: both are measured.
namespace baseline {

struct serving {
  int file = -1;               // in the page cache: `files` files, one after the other
  std::size_t file_bytes = 0;  // of each of them
  std::size_t files = 1;
  std::span<const int> sockets;  // O_NONBLOCK, but for serve_turns_ring_splice
  std::uint64_t each = 0;        // how many files every connection gets
  bool asked = false;            // each file by a byte of the peer's; otherwise back to back

  /// Where in `file` the file begins that connection `index` gets after `answered` others.
  std::uint64_t begin_of(std::size_t index, std::uint64_t answered) const {
    return (index * 131 + answered * 17) % files * file_bytes;
  }
};

void serve_turns_epoll_sendfile(const serving& what);
void serve_turns_epoll_read_and_send(const serving& what);
void serve_turns_ring_sendfile(const serving& what);
void serve_turns_ring_poll_and_splice(const serving& what);
void serve_turns_ring_splice(const serving& what);
void serve_turns_ring_read_and_send(const serving& what);

void serve_until_full_sendfile(const serving& what);
void serve_until_full_read_and_send(const serving& what);
void serve_until_full_splice(const serving& what);
void serve_until_full_ring(const serving& what);

}  // namespace baseline
