#pragma once

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Closes a descriptor: close(2). The descriptor is gone whatever the result says.
///
/// IORING_OP_CLOSE, Linux 5.6. Cancellation does not stop it: a descriptor is never leaked by one.
class ZC_API close final : public detail::operation_of<void> {
 public:
  explicit close(int fd) noexcept : fd_(fd) { ignore_cancel(); }

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  int fd_;
};

}  // namespace zc::op
