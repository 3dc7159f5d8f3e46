#pragma once

#include <cstddef>

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Duplicates bytes from one pipe into another without consuming them: tee(2). Resumes with how
/// many.
///
/// IORING_OP_TEE, Linux 5.8. Runs on a kernel worker and parks it for as long as it blocks. `flags`
/// are SPLICE_F_*.
class ZC_API tee final : public detail::operation_of<std::size_t> {
 public:
  tee(int in, int out, std::size_t nbytes, unsigned flags = 0) noexcept
      : nbytes_(nbytes), in_(in), out_(out), flags_(flags) {}

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  std::size_t nbytes_;
  int in_;
  int out_;
  unsigned flags_;
};

}  // namespace zc::op
