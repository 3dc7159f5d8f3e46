#include "zc/op/mkdirat.hpp"

#include <liburing.h>

namespace zc::op {

void mkdirat::prepare(io_uring_sqe& sqe) noexcept {
  io_uring_prep_mkdirat(&sqe, directory_, path_, mode_);
}

}  // namespace zc::op
