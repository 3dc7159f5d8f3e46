#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Reads into a buffer: read(2), or pread(2) with an offset. Resumes with how many bytes; 0 is the
/// end of the file.
///
/// IORING_OP_READ, Linux 5.6. What can be polled (pipe, socket, tty) is waited for without a kernel
/// worker, whether or not it is in blocking mode. The buffer must live until the op resumes. An
/// offset of -1 uses and advances the file position, and is the only choice for what cannot seek.
class ZC_API read final : public detail::operation_of<std::size_t> {
 public:
  read(int fd, void* buffer, std::size_t nbytes, std::int64_t offset = -1) noexcept
      : buffer_(buffer), nbytes_(nbytes), offset_(offset), fd_(fd) {}
  read(int fd, std::span<std::byte> buffer, std::int64_t offset = -1) noexcept
      : read(fd, buffer.data(), buffer.size(), offset) {}

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  void* buffer_;
  std::size_t nbytes_;
  std::int64_t offset_;
  int fd_;
};

}  // namespace zc::op
