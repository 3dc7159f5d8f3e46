#pragma once

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Removes a name: unlinkat(2). `flags` is 0 or AT_REMOVEDIR.
///
/// IORING_OP_UNLINKAT, Linux 5.11; runs on a kernel worker. The path must live until the op
/// resumes.
class ZC_API unlinkat final : public detail::operation_of<void> {
 public:
  unlinkat(int directory, const char* path, int flags = 0) noexcept
      : path_(path), directory_(directory), flags_(flags) {}

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  const char* path_;
  int directory_;
  int flags_;
};

}  // namespace zc::op
