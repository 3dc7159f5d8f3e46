#pragma once

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Waits until a descriptor is ready: poll(2) of one descriptor. Resumes with its revents.
///
/// IORING_OP_POLL_ADD, Linux 5.1; costs no kernel worker. `events` are POLLIN, POLLOUT, ...;
/// POLLERR and POLLHUP are always reported. What cannot be waited for (regular files) is ready at
/// once.
class ZC_API poll final : public detail::operation_of<unsigned> {
 public:
  poll(int fd, unsigned events) noexcept : fd_(fd), events_(events) {}

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  int fd_;
  unsigned events_;
};

}  // namespace zc::op
