#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/uring/ring.hpp"
#include "zc/detail/endpoint.hpp"
#include "zc/fd.hpp"
#include "zc/splice.hpp"

namespace zc::detail {

/// Where a transfer gives its bytes.
struct sink {
  endpoint end;
  std::int64_t at = 0;       // next offset, or file_position
  bool wait = false;         // wait until it is writable before the next move
  bool corked = false;       // the last bytes went with SPLICE_F_MORE, but more need not follow
  bool half_closed = false;  // the peer says no more: see waited()
  fd room;                   // then: readable when there is room

  void gave(std::size_t nbytes) noexcept {
    if (at >= 0) at += static_cast<std::int64_t>(nbytes);
  }

  /// What to poll for room.
  int poll_fd() const noexcept { return room ? room.get() : end.fd; }
  short poll_events() const noexcept;

  /// What a poll for room has said, which is not an error: false where it is to be asked once more.
  ///
  /// A poll on the ring ends with POLLRDHUP, asked for or not: where the peer has half-closed, that
  /// says nothing about room. From then on an epoll set of its own tells of room, or, where none is
  /// to be had, the transfer asks again and again, with pauses.
  bool has_room_after(unsigned events) noexcept;

  /// Whether a terminal has hung up: it takes what it has room for, and nobody will ever make more.
  /// A move would wait for that for ever, without an error.
  bool has_hung_up(unsigned events) const noexcept;

  /// Sends what the kernel holds back because of a SPLICE_F_MORE that nothing followed.
  void push() const noexcept;
  /// The same before waiting for a blocking one that has no room.
  void push_if_full(ring& kernel) const noexcept;

  /// For write(2): as source::read_offset().
  std::int64_t write_offset() const noexcept;
  void write_ended(std::int64_t from, std::size_t nbytes) const noexcept;
};

}  // namespace zc::detail
