#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Asks about a file: statx(2). Resumes with what the kernel told.
///
/// IORING_OP_STATX, Linux 5.6. The path must live until the op resumes; an empty one with
/// AT_EMPTY_PATH asks about `directory` itself. Look at stx_mask before you rely on a field.
class ZC_API statx final : public detail::operation_of<struct ::statx> {
 public:
  statx(int directory, const char* path, int flags = 0, unsigned mask = STATX_BASIC_STATS) noexcept
      : path_(path), directory_(directory), flags_(flags), mask_(mask) {}

  result<struct ::statx> await_resume() noexcept {
    if (raw() < 0) return detail::errno_code(-raw());
    return about_;
  }

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  const char* path_;
  int directory_;
  int flags_;
  unsigned mask_;
  struct ::statx about_ {};
};

}  // namespace zc::op
