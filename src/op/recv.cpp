#include "zc/op/recv.hpp"

#include <liburing.h>

namespace zc::op {

void recv::prepare(io_uring_sqe& sqe) noexcept {
  io_uring_prep_recv(&sqe, fd_, buffer_, clamp_length(nbytes_), flags_);
}

}  // namespace zc::op
