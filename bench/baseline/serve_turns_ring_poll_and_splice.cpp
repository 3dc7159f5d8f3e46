// A ring to wait, two splice(2) through a pipe to move, a piece for each connection in turn.

#include "ring_server.hpp"
#include "splice_step.hpp"

namespace baseline {

void serve_turns_ring_poll_and_splice(const serving& what) {
  splice_step step(what);
  serve_with_ring(what, [&](connection& to) { return step(to); });
}

}  // namespace baseline
