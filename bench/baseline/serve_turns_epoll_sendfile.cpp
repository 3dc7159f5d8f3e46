// What most servers do: epoll(7) and sendfile(2), a piece for each connection in turn.

#include "epoll_server.hpp"
#include "sendfile_step.hpp"

namespace baseline {

void serve_turns_epoll_sendfile(const serving& what) {
  serve_with_epoll(connections_of(what),
                   [&](connection& to) { return send_turn_by_sendfile(to, what); });
}

}  // namespace baseline
