#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

/// Servers by hand, without zc, that answer with the part of a file that was asked for. They return
/// when all clients have gone.
namespace baseline {

/// A request is this long. A client sends the next one when it has the answer.
inline constexpr std::size_t request_bytes = 16;

struct part_request {
  std::uint32_t file;  // index
  std::uint32_t bytes;
  std::uint64_t offset;
};
static_assert(sizeof(part_request) == request_bytes);

struct serving_parts {
  std::span<const int> files;
  std::span<const int> sockets;
};

/// One thread, sockets with O_NONBLOCK.
void serve_parts_epoll(const serving_parts& what);
/// A thread for each connection, sockets in blocking mode.
void serve_parts_threads(const serving_parts& what);

}  // namespace baseline
