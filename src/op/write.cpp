#include "zc/op/write.hpp"

#include <liburing.h>

namespace zc::op {

void write::prepare(io_uring_sqe& sqe) noexcept {
  io_uring_prep_write(&sqe, fd_, buffer_, clamp_length(nbytes_), static_cast<__u64>(offset_));
}

}  // namespace zc::op
