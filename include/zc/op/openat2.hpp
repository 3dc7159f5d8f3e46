#pragma once

#include <linux/openat2.h>

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Opens a file, with a say in how its path is resolved: openat2(2). Resumes with an owned
/// descriptor.
///
/// IORING_OP_OPENAT2, Linux 5.6. The path must live until the op resumes; `how` is copied. Its
/// flags and mode go to the kernel as they are: say O_CLOEXEC yourself. `how.resolve` are
/// RESOLVE_*: RESOLVE_BENEATH keeps a path that somebody else has chosen below `directory` (EXDEV),
/// and may give EAGAIN where directories are renamed meanwhile. What the kernel knows of is opened
/// without a kernel worker. A FIFO is opened without waiting for its other end, as with openat.
class ZC_API openat2 final : public detail::operation_of_fd {
 public:
  openat2(int directory, const char* path, const open_how& how) noexcept
      : how_(how), path_(path), directory_(directory) {}

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  open_how how_;
  const char* path_;
  int directory_;
};

}  // namespace zc::op
