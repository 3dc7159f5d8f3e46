// epoll(7) and two splice(2) through a pipe that is kept, until the socket takes no more.

#include "splice_step.hpp"
#include "until_full.hpp"

namespace baseline {

void serve_until_full_splice(const serving& what) {
  splice_step step(what);
  serve_until_full(what, [&](connection& to) { return step(to); });
}

}  // namespace baseline
