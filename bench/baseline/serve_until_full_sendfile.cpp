// epoll(7) and sendfile(2), which is asked for all that is left: one call for a file that its
// socket takes whole.

#include "sendfile_step.hpp"
#include "until_full.hpp"

namespace baseline {

void serve_until_full_sendfile(const serving& what) {
  serve_until_full(what,
                   [&](connection& to) { return send_by_sendfile(to, what, what.file_bytes); });
}

}  // namespace baseline
