#include "zc/op/send.hpp"

#include <liburing.h>
#include <sys/socket.h>

namespace zc::op {

void send::prepare(io_uring_sqe& sqe) noexcept {
  io_uring_prep_send(&sqe, fd_, buffer_, clamp_length(nbytes_), flags_ | MSG_NOSIGNAL);
}

}  // namespace zc::op
