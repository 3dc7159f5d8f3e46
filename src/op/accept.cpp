#include "zc/op/accept.hpp"

#include <liburing.h>

namespace zc::op {

void accept::prepare(io_uring_sqe& sqe) noexcept {
  io_uring_prep_accept(&sqe, listener_, address_, length_, flags_);
}

}  // namespace zc::op
