#pragma once

#include <cstddef>
#include <span>

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Sends on a socket: send(2). Resumes with how many bytes, perhaps fewer than asked.
///
/// IORING_OP_SEND, Linux 5.6. Waits for room without a kernel worker, whether or not the socket is
/// in blocking mode. The buffer must live until the op resumes. `flags` are MSG_*; MSG_NOSIGNAL is
/// always added: a dead peer is EPIPE.
class ZC_API send final : public detail::operation_of<std::size_t> {
 public:
  send(int fd, const void* buffer, std::size_t nbytes, int flags = 0) noexcept
      : buffer_(buffer), nbytes_(nbytes), fd_(fd), flags_(flags) {}
  send(int fd, std::span<const std::byte> buffer, int flags = 0) noexcept
      : send(fd, buffer.data(), buffer.size(), flags) {}

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  const void* buffer_;
  std::size_t nbytes_;
  int fd_;
  int flags_;
};

}  // namespace zc::op
