#pragma once

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Ends one or both directions of a connection: shutdown(2). `how` is SHUT_RD, SHUT_WR, SHUT_RDWR.
///
/// IORING_OP_SHUTDOWN, Linux 5.11.
class ZC_API shutdown final : public detail::operation_of<void> {
 public:
  shutdown(int fd, int how) noexcept : fd_(fd), how_(how) {}

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  int fd_;
  int how_;
};

}  // namespace zc::op
