#pragma once

#include "zc/detail/operation.hpp"
#include "zc/fd.hpp"

namespace zc::op {

/// Opens a file: openat(2). Resumes with an owned descriptor.
///
/// IORING_OP_OPENAT, Linux 5.6. The path must live until the op resumes. `flags` and `mode` go to
/// the kernel as they are: say O_CLOEXEC yourself.
class openat : public detail::operation_of<fd> {
 public:
  openat(int directory, const char* path, int flags, unsigned mode = 0) noexcept
      : path_(path), directory_(directory), flags_(flags), mode_(mode) {}

  result<fd> await_resume() noexcept {
    if (raw() < 0) return detail::errno_code(-raw());
    return fd(raw());
  }

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  const char* path_;
  int directory_;
  int flags_;
  unsigned mode_;
};

}  // namespace zc::op
