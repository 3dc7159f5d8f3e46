#include "zc/op/renameat.hpp"

#include <liburing.h>

namespace zc::op {

void renameat::prepare(io_uring_sqe& sqe) noexcept {
  io_uring_prep_renameat(&sqe, old_directory_, old_path_, new_directory_, new_path_, flags_);
}

}  // namespace zc::op
