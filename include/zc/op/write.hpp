#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "zc/detail/export.hpp"
#include "zc/detail/operation.hpp"

namespace zc::op {

/// Writes a buffer: write(2), or pwrite(2) with an offset. Resumes with how many bytes, perhaps
/// fewer than asked.
///
/// IORING_OP_WRITE, Linux 5.6. Room in a pipe or socket is waited for, whether or not it is in
/// blocking mode. The buffer must live until the op resumes. An offset of -1 uses and advances the
/// file position, and is the only choice for what cannot seek. No SIGPIPE: a dead reader is EPIPE.
class ZC_API write final : public detail::operation_of<std::size_t> {
 public:
  write(int fd, const void* buffer, std::size_t nbytes, std::int64_t offset = -1) noexcept
      : buffer_(buffer), nbytes_(nbytes), offset_(offset), fd_(fd) {}
  write(int fd, std::span<const std::byte> buffer, std::int64_t offset = -1) noexcept
      : write(fd, buffer.data(), buffer.size(), offset) {}

 private:
  void prepare(io_uring_sqe& sqe) noexcept override;

  const void* buffer_;
  std::size_t nbytes_;
  std::int64_t offset_;
  int fd_;
};

}  // namespace zc::op
