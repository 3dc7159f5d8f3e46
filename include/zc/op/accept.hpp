#pragma once

#include <sys/socket.h>

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Accepts a connection: accept4(2). Resumes with an owned descriptor, close-on-exec by default.
///
/// IORING_OP_ACCEPT, Linux 5.5. `address` and `length`, when given, are filled in as by accept(2)
/// and must live until the op resumes. `flags` are SOCK_NONBLOCK, SOCK_CLOEXEC.
class ZC_API accept final : public detail::operation_of_fd {
 public:
  explicit accept(int listener, sockaddr* address = nullptr, socklen_t* length = nullptr,
                  int flags = SOCK_CLOEXEC) noexcept
      : address_(address), length_(length), listener_(listener), flags_(flags) {}

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  sockaddr* address_;
  socklen_t* length_;
  int listener_;
  int flags_;
};

}  // namespace zc::op
