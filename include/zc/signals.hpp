#pragma once

#include <pthread.h>
#include <signal.h>

#include <initializer_list>

#include "zc/detail/export.hpp"
#include "zc/fd.hpp"
#include "zc/task.hpp"

namespace zc {

/// Signals as something to wait for, instead of a handler: signalfd(2).
///
/// Blocks them in the thread that makes it, so that they do not act as they usually do; threads
/// started afterwards begin with that mask, and a thread that already runs is to block them itself.
/// Make it before any context or thread, in main(), and use it in one context at a time.
class ZC_API signals final {
 public:
  /// Throws std::system_error: EMFILE, ENFILE, ENOMEM, EINVAL for what is no signal.
  explicit signals(std::initializer_list<int> which);
  signals(const signals&) = delete;
  signals& operator=(const signals&) = delete;
  /// On the thread that made it: the mask is as before, and what came and was not taken acts now.
  /// On another it ends the program, with a sentence on stderr.
  ~signals();

  /// Resumes with the number of a signal that has come. Several of one kind that came since the
  /// last are one (signal(7)). Throws std::system_error: ECANCELED, on which a loop is to be left.
  /// One coroutine at a time.
  task<int> next();

 private:
  sigset_t before_;
  pthread_t thread_;
  fd fd_;
};

}  // namespace zc
