#pragma once

#include <signal.h>

namespace zc::detail {

/// Keeps SIGPIPE and SIGXFSZ from this thread for its lifetime, so that a dead peer and a file-size
/// limit are error codes. Afterwards the mask is as before, and what came meanwhile is forgotten,
/// unless one was pending already.
class signal_mask {
 public:
  signal_mask() noexcept;
  signal_mask(const signal_mask&) = delete;
  signal_mask& operator=(const signal_mask&) = delete;
  ~signal_mask();

 private:
  sigset_t old_mask_;
  sigset_t ours_;  // those to forget
};

/// Blocks every signal in this thread for its lifetime, so that a thread started meanwhile begins
/// so: the program's handlers are not for it, and SIGXFSZ and SIGPIPE are error codes in it.
class all_signals_blocked {
 public:
  all_signals_blocked() noexcept;
  all_signals_blocked(const all_signals_blocked&) = delete;
  all_signals_blocked& operator=(const all_signals_blocked&) = delete;
  ~all_signals_blocked();

 private:
  sigset_t before_;
};

}  // namespace zc::detail
