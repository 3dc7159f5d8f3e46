// epoll(7), pread(2) and send(2), a piece for each connection in turn: two copies, no sharing of
// pages.

#include <vector>

#include "epoll_server.hpp"
#include "read_and_send_step.hpp"

namespace baseline {

void serve_turns_epoll_read_and_send(const serving& what) {
  // It stays in the second-level cache between the two copies.
  std::vector<std::byte> buffer(64 * 1024);
  serve_with_epoll(connections_of(what),
                   [&](connection& to) { return send_by_read_and_send(to, what, buffer); });
}

}  // namespace baseline
