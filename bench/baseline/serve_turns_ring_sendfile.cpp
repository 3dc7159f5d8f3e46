// A ring to wait, sendfile(2) to move, a piece for each connection in turn.

#include "ring_server.hpp"
#include "sendfile_step.hpp"

namespace baseline {

void serve_turns_ring_sendfile(const serving& what) {
  serve_with_ring(what, [&](connection& to) { return send_turn_by_sendfile(to, what); });
}

}  // namespace baseline
