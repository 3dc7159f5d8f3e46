#pragma once

#include <chrono>
#include <cstdint>
#include <type_traits>

#include "zc/detail/export.hpp"
#include "zc/fd.hpp"
#include "zc/task.hpp"

namespace zc {

/// How long a connection may take to end. Designated initialisers: `{.idle_timeout = 1s}`.
struct lingering_close_options {
  /// Closes when for so long the peer has neither sent a byte nor taken one of what it was sent.
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds(5);
  /// Closes when it has lasted so long, whatever the peer does.
  std::chrono::nanoseconds total_timeout = std::chrono::seconds(30);
  /// Closes when the peer has sent so many bytes more.
  std::uint64_t limit_bytes = 64 * 1024 * 1024;
};
static_assert(std::is_trivially_destructible_v<lingering_close_options>);

/// Closes a connection so that what was sent on it arrives, whatever the peer is still sending.
///
/// close(2) with bytes in the kernel that nobody has read, or that come later, resets a TCP
/// connection: the peer may lose the end of what it was sent, although every send had succeeded. A
/// server that ends a connection first, after its last answer, cannot know that nothing comes. So
/// this says the end (shutdown(2) with SHUT_WR), reads and drops what comes until the peer's end,
/// and closes then; at the latest when one of the bounds is reached, where what still comes resets
/// the connection as ever. Of TCP the bytes are dropped in the kernel, not copied.
///
/// Where the peer's end has come already nothing can be lost by it: that costs one recv(2) more
/// than close(2), and does not suspend. Neither does a connection that was reset, or what is no
/// socket.
///
/// The socket is stream or seqpacket, of any family, in blocking mode or not; nobody else reads
/// from it, and no duplicate keeps it open. Owned from the call on: a task that is dropped closes
/// it. Never throws but std::bad_alloc: there is nobody to hear of a failure. Cancelled, it closes
/// at once and resumes. Needs Linux 6.1. See close(2), shutdown(2), RFC 9112, section 9.6.
ZC_API task<> lingering_close(fd socket, lingering_close_options options = {});

}  // namespace zc
