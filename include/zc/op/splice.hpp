#pragma once

#include <cstddef>
#include <cstdint>

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Moves bytes between two descriptors, one of them a pipe: splice(2). Resumes with how many.
///
/// IORING_OP_SPLICE, Linux 5.7, and nothing else: it runs on a kernel worker and parks it for as
/// long as it blocks. An offset of -1 means NULL: use (and advance) the file position, and for a
/// pipe the only choice. `flags` are SPLICE_F_*.
class ZC_API splice final : public detail::operation_of<std::size_t> {
 public:
  splice(int in, std::int64_t in_offset, int out, std::int64_t out_offset, std::size_t nbytes,
         unsigned flags = 0) noexcept
      : in_offset_(in_offset),
        out_offset_(out_offset),
        nbytes_(nbytes),
        in_(in),
        out_(out),
        flags_(flags) {}

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  std::int64_t in_offset_;
  std::int64_t out_offset_;
  std::size_t nbytes_;
  int in_;
  int out_;
  unsigned flags_;
};

}  // namespace zc::op
