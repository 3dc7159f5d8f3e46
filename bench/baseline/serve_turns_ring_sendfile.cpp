// A ring to wait, sendfile(2) to move.

#include "ring_server.hpp"
#include "sendfile_step.hpp"
#include "serve.hpp"

namespace baseline {

void serve_ring_poll_sendfile(const serving& what) {
  serve_with_ring(what, [&](connection& to) { return send_by_sendfile(to, what); });
}

}  // namespace baseline
