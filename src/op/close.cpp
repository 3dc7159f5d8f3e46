#include "zc/op/close.hpp"

#include <liburing.h>

namespace zc::op {

void close::prepare(io_uring_sqe& sqe) noexcept { io_uring_prep_close(&sqe, fd_); }

}  // namespace zc::op
