#include "zc/op/poll.hpp"

#include <liburing.h>

namespace zc::op {

void poll::prepare(io_uring_sqe& sqe) noexcept { io_uring_prep_poll_add(&sqe, fd_, events_); }

}  // namespace zc::op
