#pragma once

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Opens a file: openat(2). Resumes with an owned descriptor.
///
/// IORING_OP_OPENAT, Linux 5.6. The path must live until the op resumes. `flags` and `mode` go to
/// the kernel as they are: say O_CLOEXEC yourself. A FIFO is opened without waiting for its other
/// end, as with O_NONBLOCK (io_uring tries that first): a reader may see its end before a writer.
class ZC_API openat final : public detail::operation_of_fd {
 public:
  openat(int directory, const char* path, int flags, unsigned mode = 0) noexcept
      : path_(path), directory_(directory), flags_(flags), mode_(mode) {}

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  const char* path_;
  int directory_;
  int flags_;
  unsigned mode_;
};

}  // namespace zc::op
