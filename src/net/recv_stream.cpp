#include "zc/recv_stream.hpp"

#include <liburing.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "engine/direct_call.hpp"
#include "engine/loop.hpp"
#include "engine/uring/recv_pool.hpp"

namespace zc {

namespace {

bool has_bytes(int socket) noexcept {
  int nbytes = 0;
  return ::ioctl(socket, FIONREAD, &nbytes) == 0 && nbytes > 0;
}

}  // namespace

void received::give_back() noexcept { detail::recv_pool::give(*buffer_); }

void give_bytes(received& from, std::vector<transfer>& to) {
  const std::span<const std::byte> bytes = from.bytes();
  if (bytes.empty()) return;
  auto copy = std::make_unique<std::byte[]>(bytes.size());
  std::ranges::copy(bytes, copy.get());
  transfer& left = to.emplace_back();
  left.taken = bytes.size();
  left.reason = stop_reason::cancelled;
  left.remainder = remainder(std::move(copy), 0, bytes.size());
}

recv_stream::~recv_stream() {
  stop();
  while (detail::recv_buffer* const each = kept_.pop()) detail::recv_pool::give(*each);
}

void recv_stream::prepare(io_uring_sqe& sqe) noexcept {
  pool_ = detail::loop::of(where()).recv_buffers();  // it may be in another context by now
  const bool found_nothing = std::exchange(found_nothing_, false);
  polls_ = pool_ == nullptr || std::exchange(no_buffer_, false) || !pool_->kernel_has_some();
  // Another poll would find the same again, at once: what waits for bytes and nothing else needs
  // its memory beforehand. And bytes that are there already, a poll need not find (SO_RCVLOWAT).
  const bool needs_own = found_nothing || (polls_ && has_bytes(socket_));
  own_ = needs_own && pool_ != nullptr ? pool_->take() : nullptr;
  if (own_ != nullptr) {
    polls_ = false;
    io_uring_prep_recv(&sqe, socket_, own_->data, pool_->buffer_bytes(), 0);
    return;
  }
  if (polls_) {
    io_uring_prep_poll_add(&sqe, socket_, POLLIN);
    return;
  }
  if (several_) {
    io_uring_prep_recv_multishot(&sqe, socket_, nullptr, 0, 0);
  } else {
    io_uring_prep_recv(&sqe, socket_, nullptr, pool_->buffer_bytes(), 0);
  }
  sqe.flags |= IOSQE_BUFFER_SELECT;
  sqe.buf_group = detail::recv_pool::group;
}

void recv_stream::arrived(int result, unsigned flags) noexcept {
  if (polls_ && result >= 0) {
    receive();
  } else {
    detail::recv_buffer* const own = std::exchange(own_, nullptr);
    keep(result, (flags & IORING_CQE_F_BUFFER) != 0 ? &pool_->taken(flags) : own);
  }
  if (has_some()) wake();
  if (several_ && kept_count_ >= kept_limit) disarm();
}

void recv_stream::receive() noexcept {
  detail::recv_buffer* const own = pool_ != nullptr ? pool_->take() : nullptr;
  if (own == nullptr) {
    error_ = ENOMEM;
    return;
  }
  auto& kernel = detail::loop::of(where()).kernel();
  keep(detail::direct_recv(kernel, socket_, own->data, pool_->buffer_bytes(), MSG_DONTWAIT), own);
}

void recv_stream::keep(int result, detail::recv_buffer* buffer) noexcept {
  if (result > 0 && buffer != nullptr) {
    began_well_ = true;
    buffer->size = static_cast<std::uint32_t>(result);
    kept_.push(*buffer);
    ++kept_count_;
    return;
  }
  const bool kernel_chooses = !polls_ && buffer == nullptr;
  if (buffer != nullptr) detail::recv_pool::give(*buffer);
  switch (-result) {
    case 0:
      ended_ = true;
      break;
    case EAGAIN:
      found_nothing_ = polls_;
      break;
    case EINTR:
    case ECANCELED:  // it begins again while somebody waits
      break;
    case EINVAL:
      if (several_ && !began_well_) {
        several_ = false;  // a kernel that does not know it; if that was not why, it says so again
      } else {
        error_ = EINVAL;
      }
      break;
    default:
      no_buffer_ = result == -ENOBUFS && kernel_chooses;
      if (!no_buffer_) error_ = -result;
      break;
  }
}

result<received> recv_stream::take() noexcept {
  if (detail::recv_buffer* const buffer = kept_.pop()) {
    --kept_count_;
    return received(buffer);
  }
  if (error_ != 0) return detail::errno_code(std::exchange(error_, 0));
  return received();
}

result<received> recv_stream::next_bytes::await_resume() noexcept {
  if (!end()) return detail::errno_code(ECANCELED);
  return on_.take();
}

}  // namespace zc
