#include "zc/op/unlinkat.hpp"

#include <liburing.h>

namespace zc::op {

void unlinkat::prepare(io_uring_sqe& sqe) noexcept {
  io_uring_prep_unlinkat(&sqe, directory_, path_, flags_);
}

}  // namespace zc::op
