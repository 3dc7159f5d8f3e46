#pragma once

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Makes a file durable: fsync(2), or fdatasync(2) with `data_only`.
///
/// IORING_OP_FSYNC, Linux 5.1; runs on a kernel worker.
class ZC_API fsync final : public detail::operation_of<void> {
 public:
  explicit fsync(int fd, bool data_only = false) noexcept : fd_(fd), data_only_(data_only) {}

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  int fd_;
  bool data_only_;
};

}  // namespace zc::op
