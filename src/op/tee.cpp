#include "zc/op/tee.hpp"

#include <liburing.h>

namespace zc::op {

void tee::prepare(io_uring_sqe& sqe) noexcept {
  io_uring_prep_tee(&sqe, in_, out_, clamp_length(nbytes_), flags_);
}

}  // namespace zc::op
