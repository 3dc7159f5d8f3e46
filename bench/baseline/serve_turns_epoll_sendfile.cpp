// What most servers do: epoll(7) and sendfile(2).

#include "epoll_server.hpp"
#include "sendfile_step.hpp"
#include "serve.hpp"

namespace baseline {

void serve_epoll_sendfile(const serving& what) {
  serve_with_epoll(what.sockets, [&](connection& to) { return send_by_sendfile(to, what); });
}

}  // namespace baseline
