// epoll(7), pread(2) and send(2): two copies, no sharing of pages.

#include <algorithm>
#include <vector>

#include "epoll_server.hpp"
#include "serve.hpp"
#include "step.hpp"

namespace baseline {

void serve_epoll_read_write(const serving& what) {
  // It stays in the second-level cache between the two copies.
  std::vector<std::byte> buffer(64 * 1024);
  serve_with_epoll(what.sockets, [&](connection& to) {
    const std::size_t piece = std::min(what.file_bytes - to.sent, buffer.size());
    const ssize_t got = bench::require(
        ::pread(what.file, buffer.data(), piece, static_cast<off_t>(to.sent)), "pread");
    // What the socket does not take is read again when it has room: cheaper than a buffer each.
    return after_send(to, what.file_bytes,
                      ::send(to.socket, buffer.data(), static_cast<std::size_t>(got), 0), "send");
  });
}

}  // namespace baseline
