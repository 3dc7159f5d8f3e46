#include "zc/op/openat2.hpp"

#include <liburing.h>

namespace zc::op {

void openat2::prepare(io_uring_sqe& sqe) noexcept {
  io_uring_prep_openat2(&sqe, directory_, path_, &how_);
}

}  // namespace zc::op
