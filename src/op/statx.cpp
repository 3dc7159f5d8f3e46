#include "zc/op/statx.hpp"

#include <liburing.h>

namespace zc::op {

void statx::prepare(io_uring_sqe& sqe) noexcept {
  io_uring_prep_statx(&sqe, directory_, path_, flags_, mask_, &about_);
}

}  // namespace zc::op
