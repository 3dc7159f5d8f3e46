#include "zc/op/splice.hpp"

#include <liburing.h>

namespace zc::op {

void splice::prepare(io_uring_sqe& sqe) noexcept {
  io_uring_prep_splice(&sqe, in_, in_offset_, out_, out_offset_, clamp_length(nbytes_), flags_);
}

}  // namespace zc::op
