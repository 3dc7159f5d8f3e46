// epoll(7), pread(2) and send(2), until the socket takes no more.

#include <vector>

#include "read_and_send_step.hpp"
#include "until_full.hpp"

namespace baseline {

void serve_until_full_read_and_send(const serving& what) {
  std::vector<std::byte> buffer(256 * 1024);
  serve_until_full(what, [&](connection& to) { return send_by_read_and_send(to, what, buffer); });
}

}  // namespace baseline
