#pragma once

#include <sys/socket.h>

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Connects a socket: connect(2).
///
/// IORING_OP_CONNECT, Linux 5.5. Waits without a kernel worker, also for a socket in non-blocking
/// mode. The address must live until the op resumes.
class ZC_API connect final : public detail::operation_of<void> {
 public:
  connect(int fd, const sockaddr* address, socklen_t length) noexcept
      : address_(address), fd_(fd), length_(length) {}

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  const sockaddr* address_;
  int fd_;
  socklen_t length_;
};

}  // namespace zc::op
