#pragma once

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Does nothing, by way of the kernel: measures the cost of a round trip.
///
/// IORING_OP_NOP, Linux 5.1.
class ZC_API nop final : public detail::operation_of<void> {
 public:
  nop() noexcept = default;

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;
};

}  // namespace zc::op
