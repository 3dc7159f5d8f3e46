#include "zc/op/fallocate.hpp"

#include <liburing.h>

namespace zc::op {

namespace {

/// `Bytes` is off_t in liburing before 2.9, and unsigned since.
template <class Bytes>
void prepare_by(void (*prepare)(io_uring_sqe*, int, int, Bytes, Bytes), io_uring_sqe& sqe, int fd,
                int mode, std::int64_t offset, std::int64_t length) noexcept {
  prepare(&sqe, fd, mode, static_cast<Bytes>(offset), static_cast<Bytes>(length));
}

}  // namespace

void fallocate::prepare(io_uring_sqe& sqe) noexcept {
  prepare_by(io_uring_prep_fallocate, sqe, fd_, mode_, offset_, length_);
}

}  // namespace zc::op
