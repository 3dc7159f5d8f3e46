#include "zc/op/read.hpp"

#include <liburing.h>

namespace zc::op {

void read::prepare(io_uring_sqe& sqe) noexcept {
  io_uring_prep_read(&sqe, fd_, buffer_, clamp_length(nbytes_), static_cast<__u64>(offset_));
}

}  // namespace zc::op
