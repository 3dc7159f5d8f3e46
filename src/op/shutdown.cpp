#include "zc/op/shutdown.hpp"

#include <liburing.h>

namespace zc::op {

void shutdown::prepare(io_uring_sqe& sqe) noexcept { io_uring_prep_shutdown(&sqe, fd_, how_); }

}  // namespace zc::op
