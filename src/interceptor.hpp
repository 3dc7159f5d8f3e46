#pragma once

#include <liburing.h>

#include <optional>

namespace zc::detail {

/// Stands between zc and the kernel in tests, to answer what a kernel cannot be made to answer.
class interceptor {
 public:
  /// The result to give instead of doing what `sqe` asks, or nothing to let it through. Direct
  /// system calls are shown as the submission they stand for.
  virtual std::optional<int> answer(const io_uring_sqe& sqe) noexcept = 0;

 protected:
  ~interceptor() = default;
};

}  // namespace zc::detail
