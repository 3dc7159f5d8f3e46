#pragma once

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Renames a file: renameat2(2). `flags` are RENAME_NOREPLACE, RENAME_EXCHANGE, ...
///
/// IORING_OP_RENAMEAT, Linux 5.11; runs on a kernel worker. The paths must live until the op
/// resumes.
class ZC_API renameat final : public detail::operation_of<void> {
 public:
  renameat(int old_directory, const char* old_path, int new_directory, const char* new_path,
           unsigned flags = 0) noexcept
      : old_path_(old_path),
        new_path_(new_path),
        old_directory_(old_directory),
        new_directory_(new_directory),
        flags_(flags) {}

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  const char* old_path_;
  const char* new_path_;
  int old_directory_;
  int new_directory_;
  unsigned flags_;
};

}  // namespace zc::op
