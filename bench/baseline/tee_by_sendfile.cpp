// sendfile(2) to each by itself, until its socket takes no more: none waits for another.

#include "serve.hpp"
#include "tee.hpp"

namespace baseline {

void tee_by_sendfile(const teeing& what) {
  serve_until_full_sendfile({.file = what.in,
                             .file_bytes = what.bytes,
                             .files = 1,
                             .sockets = what.outs,
                             .each = what.times,
                             .asked = false});
}

}  // namespace baseline
