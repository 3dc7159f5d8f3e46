#pragma once

#include <pthread.h>

namespace zc::detail {

/// Has pthread_cancel(3) wait for the object's end: it would unwind this thread from whatever call
/// it finds, also out of destructors and of what is noexcept, which ends the program.
class thread_cancel_postponed {
 public:
  thread_cancel_postponed() noexcept { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  thread_cancel_postponed(const thread_cancel_postponed&) = delete;
  thread_cancel_postponed& operator=(const thread_cancel_postponed&) = delete;
  ~thread_cancel_postponed() { pthread_setcancelstate(before_, nullptr); }

 private:
  int before_ = PTHREAD_CANCEL_ENABLE;
};

}  // namespace zc::detail
