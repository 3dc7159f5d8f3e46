#pragma once

#include <cerrno>
#include <cstddef>

#include "support/require.hpp"
#include "turns.hpp"

namespace baseline {

/// What sendfile(2), send(2) or splice(2) into the socket has come to, which gave `sent`.
inline outcome after_send(connection& to, std::size_t file_bytes, ssize_t sent, const char* call) {
  if (sent < 0 && errno == EAGAIN) return outcome::blocked;
  to.sent += static_cast<std::size_t>(bench::require(sent, call));
  return to.sent == file_bytes ? outcome::done : outcome::more;
}

}  // namespace baseline
