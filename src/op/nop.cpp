#include "zc/op/nop.hpp"

#include <liburing.h>

namespace zc::op {

void nop::prepare(io_uring_sqe& sqe) noexcept { io_uring_prep_nop(&sqe); }

}  // namespace zc::op
