#include "zc/op/fallocate.hpp"

#include <liburing.h>

namespace zc::op {

void fallocate::prepare(io_uring_sqe& sqe) noexcept {
  io_uring_prep_fallocate(&sqe, fd_, mode_, offset_, length_);
}

}  // namespace zc::op
