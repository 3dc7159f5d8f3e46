#include "transfer/tee_source.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <new>
#include <utility>

#include "engine/direct_call.hpp"
#include "transfer/aligned_memory.hpp"
#include "transfer/overlap.hpp"
#include "zc/detail/errno_code.hpp"
#include "zc/op/poll.hpp"
#include "zc/op/read.hpp"
#include "zc/op/recv.hpp"
#include "zc/op/splice.hpp"

namespace zc::detail {

namespace {

constexpr std::size_t block_bytes = endpoint::block_bytes;
constexpr std::size_t piece_bytes = 64 * 1024;

}  // namespace

std::error_code tee_source::open(int in, std::int64_t offset, std::uint64_t nbytes) noexcept {
  const result<endpoint> found = look_at(in, direction::reading);
  if (!found) return found.error();
  in_ = *found;
  at_ = in_.seekable ? offset : file_position;
  left_ = nbytes;
  // A pipe has no boundaries, and room for no more than some of a long message.
  splices_ = !in_.messages;
  if (!in_.seekable) return {};
  const std::int64_t position =
      offset == file_position ? ::lseek(in, 0, SEEK_CUR) : std::int64_t{offset};
  if (position < 0) return errno_code(errno);
  const auto start = static_cast<std::uint64_t>(position);
  constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const std::uint64_t end = in_.size.value_or(largest);
  if (start > end || (nbytes != to_end && nbytes > end - start)) return errno_code(EOVERFLOW);
  if (in_.size) left_ = std::min(nbytes, end - start);
  return {};
}

bool tee_source::overlaps(const endpoint& out, std::int64_t at) const noexcept {
  return overlap({in_, at_, false}, {out, at, true}, left_);
}

std::size_t tee_source::whole_blocks(std::size_t most) const noexcept {
  if (!in_.in_blocks()) return most;
  // One at least: after a part of one there is no going on.
  return std::max(most / block_bytes, std::size_t{1}) * block_bytes;
}

task<std::error_code> tee_source::ready(bool at_once) {
  if (!in_.pollable() || in_.has_untold_bytes()) co_return std::error_code();
  const int events = direct_poll(kernel_, in_.fd, POLLIN);
  if (events < 0) co_return errno_code(-events);
  if (events > 0) co_return std::error_code();
  if (at_once) co_return errno_code(EAGAIN);
  const result<unsigned> polled = co_await op::poll(in_.fd, POLLIN);
  co_return polled.error();
}

task<result<std::size_t>> tee_source::fill(int write_end, std::size_t most) {
  const auto nbytes = static_cast<std::size_t>(std::min<std::uint64_t>(left_, most));
  const bool direct =
      in_.is == endpoint::kind::pipe || (in_.is == endpoint::kind::socket && !in_.may_block());
  result<std::size_t> filled = errno_code(EAGAIN);
  bool by_ring = !direct && !in_.may_park(POLLIN);  // it would park a kernel worker
  if (direct) {
    filled =
        as_result(direct_splice(kernel_, {in_.fd, at_, write_end, -1, nbytes, SPLICE_F_NONBLOCK}));
    // Who may not call splice(2) may still have the ring do it.
    by_ring = may_be_forbidden(filled.error().value());
  }
  if (by_ring) {
    filled = co_await op::splice(in_.fd, at_, write_end, -1, nbytes, SPLICE_F_NONBLOCK);
  }
  if (in_.ends_with(filled.error())) filled = std::size_t{0};
  if (filled) took(*filled);
  co_return filled;
}

bool tee_source::must_read_after(const result<std::size_t>& filled) noexcept {
  if (filled && *filled == 0) {
    // A socket's 0 may be an urgent mark; a file that makes its content up may give it to read(2)
    // only.
    if (in_.is == endpoint::kind::file && !in_.size && !began_) splices_ = false;
    return in_.is == endpoint::kind::socket || !splices_;
  }
  if (filled) return false;
  switch (filled.error().value()) {
    case EAGAIN:
      return ++fruitless_ >= fruitless_limit && in_.is == endpoint::kind::socket;
    case EINVAL:      // no splice for this file, or not at this alignment
    case ENOSYS:      // no such op or call here
    case EOPNOTSUPP:  // no splice for this socket
    case EPERM:       // forbidden; or so will reading be
    case EACCES:
      splices_ = false;
      return true;
    default:
      return false;
  }
}

result<std::size_t> tee_source::read_size(std::size_t most) const noexcept {
  if (!in_.messages) {
    return static_cast<std::size_t>(std::min<std::uint64_t>({left_, most, piece_bytes}));
  }
  const int length = direct_message_length(kernel_, in_.fd);
  // See mover::check_message().
  if (length == -EOPNOTSUPP && left_ >= endpoint::message_limit_bytes) {
    return endpoint::message_limit_bytes;
  }
  // Without one recv(2) would meet what comes in between, however long that is.
  if (length < 0) return errno_code(-length);
  // Its rest would be gone.
  if (static_cast<std::uint64_t>(length) > left_) return errno_code(EMSGSIZE);
  return static_cast<std::size_t>(std::max(length, 1));
}

task<result<remainder>> tee_source::read(std::size_t most) {
  const result<std::size_t> wanted = read_size(most);
  if (wanted.error() == std::errc::resource_unavailable_try_again) ++fruitless_;
  if (!wanted) co_return wanted.error();
  const std::size_t nbytes = *wanted;
  const bool blocks = in_.in_blocks();
  // O_DIRECT reads whole blocks; those beyond what was asked for are left in the file.
  const std::size_t asked =
      blocks ? (nbytes + block_bytes - 1) / block_bytes * block_bytes : nbytes;
  aligned_memory into(asked);
  if (!into) throw std::bad_alloc();
  const bool positioned = in_.is == endpoint::kind::file && at_ == file_position;
  // See copy.cpp: the kernel does not always advance a file position.
  const std::int64_t at = positioned ? ::lseek(in_.fd, 0, SEEK_CUR) : at_;
  result<std::size_t> got = std::size_t{0};
  if (in_.messages) {
    // At once: see copy.cpp.
    got = as_result(direct_recv(kernel_, in_.fd, into.data(), nbytes, MSG_DONTWAIT));
  } else if (in_.is == endpoint::kind::socket) {
    got = co_await op::recv(in_.fd, into.data(), nbytes, MSG_DONTWAIT);
  } else {
    got = co_await op::read(in_.fd, into.data(), asked, at);
  }
  if (got.error() == std::errc::resource_unavailable_try_again) ++fruitless_;
  if (in_.ends_with(got.error())) got = std::size_t{0};
  if (!got) co_return got.error();
  const std::size_t size = std::min(*got, nbytes);
  // An empty datagram is no end.
  if (size == 0 && in_.datagrams) co_return errno_code(EINTR);
  if (positioned && size > 0) {
    ::lseek(in_.fd, at + static_cast<std::int64_t>(size), SEEK_SET);
  }
  took(size);
  co_return std::move(into).first(size);
}

void tee_source::took(std::size_t nbytes) noexcept {
  if (nbytes == 0) return;
  began_ = true;
  fruitless_ = 0;
  if (left_ != to_end) left_ -= nbytes;
  if (at_ >= 0) at_ += static_cast<std::int64_t>(nbytes);
}

}  // namespace zc::detail
