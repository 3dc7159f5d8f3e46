#include "zc/fd.hpp"

#include <unistd.h>

#include "sys/thread_cancel.hpp"

namespace zc {

fd::~fd() {
  if (raw_ < 0) return;
  const detail::thread_cancel_postponed whole;
  ::close(raw_);
}

}  // namespace zc
