#pragma once

#include <cstdint>

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Allocates, frees or zeroes a range of a file: fallocate(2). `mode` is 0 or FALLOC_FL_*.
///
/// IORING_OP_FALLOCATE, Linux 5.6; runs on a kernel worker. `offset` and `length` are bytes.
class ZC_API fallocate final : public detail::operation_of<void> {
 public:
  fallocate(int fd, int mode, std::int64_t offset, std::int64_t length) noexcept
      : offset_(offset), length_(length), fd_(fd), mode_(mode) {}

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  std::int64_t offset_;
  std::int64_t length_;
  int fd_;
  int mode_;
};

}  // namespace zc::op
