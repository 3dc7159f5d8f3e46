#include "zc/op/openat.hpp"

#include <liburing.h>

namespace zc::op {

void openat::prepare(io_uring_sqe& sqe) noexcept {
  io_uring_prep_openat(&sqe, directory_, path_, flags_, mode_);
}

}  // namespace zc::op
