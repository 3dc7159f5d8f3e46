#pragma once

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Makes a directory: mkdirat(2).
///
/// IORING_OP_MKDIRAT, Linux 5.15; runs on a kernel worker. The path must live until the op resumes.
class ZC_API mkdirat final : public detail::operation_of<void> {
 public:
  mkdirat(int directory, const char* path, unsigned mode = 0777) noexcept
      : path_(path), directory_(directory), mode_(mode) {}

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  const char* path_;
  int directory_;
  unsigned mode_;
};

}  // namespace zc::op
