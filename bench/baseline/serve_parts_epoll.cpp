// epoll(7) and sendfile(2), which waits for the disk where it must: everyone waits with it.

#include <sys/sendfile.h>

#include <bit>

#include "epoll_server.hpp"
#include "serve_parts.hpp"
#include "step.hpp"

namespace baseline {

void serve_parts_epoll(const serving_parts& what) {
  serve_with_epoll(what.sockets, [&](connection& to) {
    const auto wanted = std::bit_cast<part_request>(to.request);
    off_t at = static_cast<off_t>(wanted.offset + to.sent);
    const ssize_t sent =
        ::sendfile(to.socket, what.files[wanted.file], &at, wanted.bytes - to.sent);
    return after_send(to, wanted.bytes, sent, "sendfile");
  });
}

}  // namespace baseline
