#pragma once

#include <cstddef>
#include <span>

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Receives from a socket: recv(2). Resumes with how many bytes; 0 is the end of the stream.
///
/// IORING_OP_RECV, Linux 5.6. Waits for data without a kernel worker, whether or not the socket is
/// in blocking mode. The buffer must live until the op resumes. `flags` are MSG_*.
class ZC_API recv final : public detail::operation_of<std::size_t> {
 public:
  recv(int fd, void* buffer, std::size_t nbytes, int flags = 0) noexcept
      : buffer_(buffer), nbytes_(nbytes), fd_(fd), flags_(flags) {}
  recv(int fd, std::span<std::byte> buffer, int flags = 0) noexcept
      : recv(fd, buffer.data(), buffer.size(), flags) {}

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  void* buffer_;
  std::size_t nbytes_;
  int fd_;
  int flags_;
};

}  // namespace zc::op
