#include "zc/op/fsync.hpp"

#include <liburing.h>

namespace zc::op {

void fsync::prepare(io_uring_sqe& sqe) noexcept {
  io_uring_prep_fsync(&sqe, fd_, data_only_ ? IORING_FSYNC_DATASYNC : 0);
}

}  // namespace zc::op
