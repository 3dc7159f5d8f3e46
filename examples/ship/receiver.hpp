#pragma once

#include <chrono>

#include "target.hpp"
#include "zc/task.hpp"

namespace ship {

struct receive_options {
  bool keep = false;      // serve one session after another, and several at once
  bool progress = false;  // of a single session
  bool json = false;      // print the summary for programs
  std::chrono::milliseconds idle_timeout{60'000};  // of a session; 0: none
};

/// Serves senders on a listening socket. Resumes with whether all went well, once a session is over
/// (never, with `keep`): one that had something put in its place, or said bye. Whoever else
/// connects is a stranger, who neither ends it nor keeps senders out. Throws when it cannot listen
/// any more; cancelling it is how to end it early, and resumes with false.
zc::task<bool> receive_trees(int listener, target& into, receive_options options);

}  // namespace ship
