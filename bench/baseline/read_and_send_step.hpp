#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <span>

#include "connection.hpp"

namespace baseline {

/// Up to a `buffer` of an answer by pread(2) and send(2). What the socket does not take is read
/// again when it has room: cheaper than a buffer for each connection.
inline outcome send_by_read_and_send(connection& to, const serving& what,
                                     std::span<std::byte> buffer) {
  const std::size_t piece = std::min(what.file_bytes - to.sent, buffer.size());
  const ssize_t got =
      bench::require(::pread(what.file, buffer.data(), piece, position(to, what)), "pread");
  return after_send(to, what, ::send(to.socket, buffer.data(), static_cast<std::size_t>(got), 0),
                    "send");
}

}  // namespace baseline
