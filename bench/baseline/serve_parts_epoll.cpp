// epoll(7) and sendfile(2), which waits for the disk where it must: everyone waits with it.

#include <sys/sendfile.h>

#include <bit>

#include "epoll_server.hpp"

namespace baseline {

void serve_parts_epoll(const serving_parts& what) {
  const auto send = [&](connection& to) {
    const auto wanted = std::bit_cast<part_request>(to.request);
    off_t at = static_cast<off_t>(wanted.offset + to.sent);
    const ssize_t sent =
        ::sendfile(to.socket, what.files[wanted.file], &at, wanted.bytes - to.sent);
    if (sent < 0 && errno == EAGAIN) return outcome::blocked;
    to.sent += static_cast<std::size_t>(bench::require(sent, "sendfile"));
    return to.sent == wanted.bytes ? outcome::done : outcome::more;
  };
  serve_with_epoll(connections_of(what.sockets, request_bytes, false), send);
}

}  // namespace baseline
