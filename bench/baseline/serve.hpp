#pragma once

#include <cstddef>
#include <span>

/// Servers written by hand, without zc, each the best its author could do: they answer every
/// request on every connection with the same file, and return when all clients have gone.
namespace baseline {

/// A request is this long, whatever is in it. A client sends the next one when it has the answer.
inline constexpr std::size_t request_bytes = 16;

struct serving {
  int file;  // in the page cache
  std::size_t file_bytes;
  std::span<const int> sockets;  // O_NONBLOCK, but for serve_ring_splice
};

void serve_epoll_sendfile(const serving& what);
void serve_epoll_read_write(const serving& what);
void serve_ring_poll_sendfile(const serving& what);
void serve_ring_poll_splice(const serving& what);
void serve_ring_splice(const serving& what);
void serve_ring_read_send(const serving& what);

}  // namespace baseline
