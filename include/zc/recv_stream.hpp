#pragma once

#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "zc/detail/export.hpp"
#include "zc/detail/multishot.hpp"
#include "zc/detail/recv_buffer.hpp"
#include "zc/detail/scheduler.hpp"
#include "zc/result.hpp"
#include "zc/transfer.hpp"

namespace zc {

/// Bytes that a recv_stream has received, in memory of its context's.
///
/// Move-only. Gives the memory back when it goes: on the context's thread, or after the context has
/// gone. A default-constructed or moved-from one is empty.
class ZC_API received {
 public:
  received() noexcept = default;
  received(received&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}
  received& operator=(received other) noexcept {
    std::swap(buffer_, other.buffer_);
    return *this;
  }
  ~received() {
    if (buffer_ != nullptr) give_back();
  }

  /// Never empty but at the end of the stream.
  std::span<const std::byte> bytes() const noexcept {
    if (buffer_ == nullptr) return {};
    return {buffer_->data, buffer_->size};
  }
  bool empty() const noexcept { return buffer_ == nullptr; }

  /// For left_behind: a copy of the bytes, taken and not moved.
  friend void give_bytes(received& from, std::vector<transfer>& to);

 private:
  friend class recv_stream;
  explicit received(detail::recv_buffer* buffer) noexcept : buffer_(buffer) {}
  void give_back() noexcept;

  detail::recv_buffer* buffer_ = nullptr;
};
ZC_API void give_bytes(received& from, std::vector<transfer>& to);

struct recv_stream_options {
  /// One op for many pieces, which the kernel receives also while nobody waits: less work for each
  /// of many small ones. But then the bytes that follow those taken may already be here, and not in
  /// the socket for somebody else.
  bool multishot = false;
};
static_assert(std::is_trivially_destructible_v<recv_stream_options>);

/// Receives from a socket into memory that is taken only once there are bytes: an idle stream holds
/// none. For servers of many connections.
///
/// IORING_OP_RECV with provided buffers, Linux 5.19 (multishot 6.0), of which a context has
/// context_options::recv_buffers. While they are all in use, and on a kernel without them, it polls
/// the socket and receives into other memory. So streams never wait for each other's buffers, and
/// what is used at most is what the received objects hold. The socket may be in blocking mode or
/// not, and stays the caller's, open for as long as this lives.
///
/// Belongs to the context of the first next(): goes before it, on its thread. Bytes that arrived
/// and nobody took are lost with it.
class ZC_API recv_stream final : private detail::multishot {
  class next_bytes;

 public:
  explicit recv_stream(int socket, recv_stream_options options = {}) noexcept
      : socket_(socket), several_(options.multishot) {}
  recv_stream(const recv_stream&) = delete;
  recv_stream& operator=(const recv_stream&) = delete;
  /// Awaits what is in flight, and drops what nobody took.
  ~recv_stream();

  /// `co_await next()` resumes with the bytes that have arrived, or with none at the end of the
  /// stream: result<received>. One coroutine at a time.
  ///
  /// At most context_options::recv_buffer_bytes at once. What is there is received, however little
  /// of SO_RCVLOWAT that is; more is waited for as poll(2) tells. Errors are those of recv(2),
  /// after the bytes that came before them; ENOMEM where there is no memory to receive into, and
  /// nothing is lost then. After an error it may be called again.
  ///
  /// Without `multishot` nothing is received but for a next(): once it has resumed with bytes, the
  /// socket can be given to zc::splice() or relay(), say, and has all that follows.
  ///
  /// Cancelled, it ends with ECANCELED and loses no byte: what arrived before the kernel heard of
  /// it is what the following next() gets. Leave a loop on ECANCELED (see result).
  [[nodiscard]] next_bytes next() noexcept;

  /// With `multishot`: so many pieces wait here, when it is told to receive no more until they are
  /// taken. What it receives before it has heard of that is kept.
  static constexpr std::size_t kept_limit = 2;

 private:
  class next_bytes : public wait {
   public:
    explicit next_bytes(recv_stream& on) noexcept : wait(on), on_(on) {}
    result<received> await_resume() noexcept;

   private:
    recv_stream& on_;
  };

  void prepare(io_uring_sqe& sqe) noexcept override;
  void arrived(int result, unsigned flags) noexcept override;
  bool has_some() const noexcept override { return !kept_.empty() || error_ != 0 || ended_; }
  void forsaken() noexcept override { disarm(); }

  /// Receives into memory of our own what a poll has found.
  void receive() noexcept;
  void keep(int result, detail::recv_buffer* buffer) noexcept;
  result<received> take() noexcept;

  detail::recv_pool* pool_ = nullptr;
  detail::recv_buffer* own_ = nullptr;  // what an op in flight receives into, if not the kernel's
  detail::fifo<detail::recv_buffer> kept_;
  std::size_t kept_count_ = 0;
  int socket_;
  int error_ = 0;
  bool several_;
  bool polls_ = false;          // what is in flight is a poll
  bool found_nothing_ = false;  // a poll said there was something, and there was not
  bool no_buffer_ = false;      // the kernel found none
  bool began_well_ = false;
  bool ended_ = false;
};

inline recv_stream::next_bytes recv_stream::next() noexcept { return next_bytes(*this); }

}  // namespace zc
