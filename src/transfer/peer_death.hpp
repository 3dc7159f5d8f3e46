#pragma once

#include <cstdint>
#include <system_error>

#include "zc/fd.hpp"

/// How a connection's end came about, as far as its socket tells.
namespace zc::detail {

/// What poll(2) has to say of it now, unasked: POLLERR, POLLHUP, or 0.
unsigned events_of(int fd) noexcept;

/// A hang-up alone is a peer that has closed in good order. An error alone may be no more than a
/// message in the socket's error queue.
bool is_dead(unsigned events) noexcept;

/// An epoll set that is readable when `fd` has one of these events, has met an error or hung up.
/// False where none is to be had. Unlike a poll on the ring it does not mind POLLRDHUP. With
/// EPOLLET it is readable once for each thing that happens, until take_event().
fd set_of_events(int fd, std::uint32_t events) noexcept;
void take_event(const fd& set) noexcept;

/// The error that a socket died of; `unknown` where somebody has heard of it already. Takes it
/// away: nobody else does.
std::error_code death_of(int fd, int unknown) noexcept;

/// Whether our half of a TCP connection is shut down already, and not by a reset.
bool is_shut(int fd) noexcept;

/// Whether a TCP connection that we have not shut down ourselves ended by a reset: an end in good
/// order leaves our half open.
bool was_reset(int fd) noexcept;

}  // namespace zc::detail
