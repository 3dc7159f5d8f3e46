#include "engine/direct_call.hpp"

#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "engine/uring/ring.hpp"
#include "zc/detail/operation.hpp"

namespace zc::detail {

namespace {

int count_or_error(ssize_t result) noexcept {
  return result >= 0 ? static_cast<int>(result) : -errno;
}

/// The interposer's answer to the call that `prepare` describes. `nbytes` becomes what it leaves of
/// it.
template <class Prepare>
std::optional<int> answered(ring& beside, unsigned& nbytes, Prepare prepare) noexcept {
  interposer* const by = beside.interposed_by();
  if (by == nullptr) [[likely]]
    return {};
  io_uring_sqe shown{};
  prepare(&shown);
  const std::optional<int> answer = by->call(shown);
  nbytes = shown.len;
  return answer;
}

}  // namespace

result<std::size_t> as_result(int count) noexcept {
  if (count < 0) return errno_code(-count);
  return static_cast<std::size_t>(count);
}

bool may_be_forbidden(int error) noexcept {
  return error == EPERM || error == EACCES || error == ENOSYS || error == EOPNOTSUPP;
}

bool splice_is_forbidden() noexcept {
  // Made, it would say that there are no such descriptors.
  return ::splice(-1, nullptr, -1, nullptr, 1, 0) < 0 && errno != EBADF;
}

void splice_arguments::prepare(io_uring_sqe& sqe) const noexcept {
  io_uring_prep_splice(&sqe, in, in_at, out, out_at, operation::clamp_length(nbytes), flags);
}

int direct_splice(ring& beside, const splice_arguments& asked) noexcept {
  unsigned nbytes = operation::clamp_length(asked.nbytes);
  const auto answer = answered(beside, nbytes, [&](io_uring_sqe* shown) { asked.prepare(*shown); });
  if (answer) return *answer;
  off_t in_at = asked.in_at;
  off_t out_at = asked.out_at;
  return count_or_error(::splice(asked.in, in_at >= 0 ? &in_at : nullptr, asked.out,
                                 out_at >= 0 ? &out_at : nullptr, nbytes, asked.flags));
}

int direct_tee(ring& beside, int in, int out, std::size_t nbytes, unsigned flags) noexcept {
  unsigned some = operation::clamp_length(nbytes);
  const auto answer = answered(
      beside, some, [&](io_uring_sqe* shown) { io_uring_prep_tee(shown, in, out, some, flags); });
  if (answer) return *answer;
  return count_or_error(::tee(in, out, some, flags));
}

int direct_read(ring& beside, int fd, void* buffer, std::size_t nbytes,
                std::int64_t offset) noexcept {
  unsigned some = operation::clamp_length(nbytes);
  const auto answer = answered(beside, some, [&](io_uring_sqe* shown) {
    io_uring_prep_read(shown, fd, buffer, some, static_cast<std::uint64_t>(offset));
  });
  if (answer) return *answer;
  return count_or_error(offset >= 0 ? ::pread(fd, buffer, some, offset) : ::read(fd, buffer, some));
}

int direct_read_now(ring& beside, int fd, void* buffer, std::size_t nbytes,
                    std::int64_t offset) noexcept {
  unsigned some = operation::clamp_length(nbytes);
  const auto answer = answered(beside, some, [&](io_uring_sqe* shown) {
    io_uring_prep_read(shown, fd, buffer, some, static_cast<std::uint64_t>(offset));
    shown->rw_flags = RWF_NOWAIT;
  });
  if (answer) return *answer;
  const iovec all{buffer, some};
  return count_or_error(::preadv2(fd, &all, 1, offset, RWF_NOWAIT));
}

int direct_write(ring& beside, int fd, const void* buffer, std::size_t nbytes,
                 std::int64_t offset) noexcept {
  unsigned some = operation::clamp_length(nbytes);
  const auto answer = answered(beside, some, [&](io_uring_sqe* shown) {
    io_uring_prep_write(shown, fd, buffer, some, static_cast<std::uint64_t>(offset));
  });
  if (answer) return *answer;
  return count_or_error(offset >= 0 ? ::pwrite(fd, buffer, some, offset)
                                    : ::write(fd, buffer, some));
}

int direct_sendfile(ring& beside, int in, std::int64_t in_at, int out,
                    std::size_t nbytes) noexcept {
  unsigned some = operation::clamp_length(nbytes);
  const auto answer = answered(beside, some, [&](io_uring_sqe* shown) {
    io_uring_prep_splice(shown, in, in_at, out, -1, some, 0);
  });
  if (answer) return *answer;
  off_t at = in_at;
  return count_or_error(::sendfile(out, in, &at, some));
}

int direct_recv(ring& beside, int fd, void* buffer, std::size_t nbytes, int flags) noexcept {
  unsigned some = operation::clamp_length(nbytes);
  const auto answer = answered(beside, some, [&](io_uring_sqe* shown) {
    io_uring_prep_recv(shown, fd, buffer, some, flags);
  });
  if (answer) return *answer;
  return count_or_error(::recv(fd, buffer, some, flags));
}

int direct_message_length(ring& beside, int fd) noexcept {
  return direct_recv(beside, fd, nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
}

int direct_send(ring& beside, int fd, const void* buffer, std::size_t nbytes, int flags) noexcept {
  unsigned some = operation::clamp_length(nbytes);
  const auto answer = answered(beside, some, [&](io_uring_sqe* shown) {
    io_uring_prep_send(shown, fd, buffer, some, flags);
  });
  if (answer) return *answer;
  return count_or_error(::send(fd, buffer, some, flags));
}

int direct_poll(ring& beside, int fd, short events) noexcept {
  unsigned nothing = 0;
  const auto answer = answered(beside, nothing, [&](io_uring_sqe* shown) {
    io_uring_prep_poll_add(shown, fd, static_cast<unsigned>(events));
  });
  if (answer) return *answer;
  pollfd one{fd, events, 0};
  const int count = ::poll(&one, 1, 0);
  return count > 0 ? one.revents : count_or_error(count);
}

}  // namespace zc::detail
