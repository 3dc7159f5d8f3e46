#include "zc/op/connect.hpp"

#include <liburing.h>

namespace zc::op {

void connect::prepare(io_uring_sqe& sqe) noexcept {
  io_uring_prep_connect(&sqe, fd_, address_, length_);
}

}  // namespace zc::op
