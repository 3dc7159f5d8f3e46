#include "sys/signal_mask.hpp"

#include <ctime>
#include <initializer_list>

namespace zc::detail {

signal_mask::signal_mask() noexcept {
  sigset_t pending;
  sigpending(&pending);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigemptyset(&ours_);
  for (const int each : {SIGPIPE, SIGXFSZ}) {
    sigaddset(&blocked, each);
    if (sigismember(&pending, each) == 0) sigaddset(&ours_, each);
  }
  pthread_sigmask(SIG_BLOCK, &blocked, &old_mask_);
}

signal_mask::~signal_mask() {
  const timespec at_once{};
  while (sigtimedwait(&ours_, nullptr, &at_once) > 0) {
  }
  pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

all_signals_blocked::all_signals_blocked() noexcept {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before_);
}

all_signals_blocked::~all_signals_blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

}  // namespace zc::detail
