#pragma once

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "serve.hpp"
#include "serve_parts.hpp"
#include "support/require.hpp"

namespace baseline {

/// What one step of an answer came to: more of it or of the next one can be sent at once; the
/// socket takes no more for now; it is sent, and the next one has to be asked for; it was the last
/// one.
enum class outcome { more, blocked, done, over };

struct connection {
  int socket = -1;        // -1 when it is over
  std::size_t index = 0;  // among all
  std::array<std::byte, request_bytes> request{};
  std::size_t request_size = request_bytes;
  std::uint64_t answered = 0;
  std::size_t sent = 0;  // of the answer
  bool answering = false;
  bool queued = false;
};

/// Those of `sockets`, who wait for requests of `request_size` bytes, or are `answering` already.
inline std::vector<connection> connections_of(std::span<const int> sockets,
                                              std::size_t request_size, bool answering) {
  std::vector<connection> all;
  all.reserve(sockets.size());
  for (const int socket : sockets) {
    connection& next = all.emplace_back();
    next.socket = socket;
    next.index = all.size() - 1;
    next.request_size = request_size;
    next.answering = answering;
  }
  return all;
}

inline std::vector<connection> connections_of(const serving& what) {
  return connections_of(what.sockets, 1, !what.asked);
}

/// Takes the request that the connection has for us. False where there is none, or no peer any more
/// (then the socket is forgotten: -1).
inline bool take_request(connection& from) {
  const ssize_t got = ::recv(from.socket, from.request.data(), from.request_size, 0);
  if (got < 0 && errno == EAGAIN) return false;
  bench::require(got, "recv");
  if (got == 0) {
    from.socket = -1;
    return false;
  }
  from.answering = true;
  from.sent = 0;
  return true;
}

/// Where in the file the next byte is that the connection gets.
inline off_t position(const connection& of, const serving& what) {
  return static_cast<off_t>(what.begin_of(of.index, of.answered) + of.sent);
}

/// `bytes` more were accepted.
inline outcome advance(connection& of, const serving& what, std::size_t bytes) {
  of.sent += bytes;
  if (of.sent < what.file_bytes) return outcome::more;
  of.sent = 0;
  if (++of.answered == what.each) return outcome::over;
  return what.asked ? outcome::done : outcome::more;
}

/// What sendfile(2), send(2) or splice(2) into the socket has come to, which gave `sent`.
inline outcome after_send(connection& to, const serving& what, ssize_t sent, const char* call) {
  if (sent < 0 && errno == EAGAIN) return outcome::blocked;
  return advance(to, what, static_cast<std::size_t>(bench::require(sent, call)));
}

}  // namespace baseline
