#pragma once

#include <cstddef>
#include <cstdint>
#include <system_error>

#include "engine/uring/ring.hpp"
#include "zc/detail/endpoint.hpp"
#include "zc/splice.hpp"

namespace zc::detail {

/// Where a transfer takes its bytes.
struct source {
  endpoint end;
  std::int64_t at = 0;     // next offset, or file_position
  std::uint64_t left = 0;  // bytes still to take; to_end where only the end of `end` will tell
  bool wait = false;       // wait until it is readable before the next move

  void took(std::size_t nbytes) noexcept {
    left -= nbytes;
    if (at >= 0) at += static_cast<std::int64_t>(nbytes);
  }

  /// The offset of the next byte of a seekable source, also where that is the file position.
  std::int64_t offset() const noexcept;

  /// To be asked before each move from a source with message boundaries, and fails as that would:
  /// also with EMSGSIZE when the next message is longer than `room`, as its rest would be lost, and
  /// with EAGAIN when there is none. Takes nothing.
  std::error_code check_message(ring& kernel, std::size_t room) const noexcept;

  /// The most to take when `out` has room for that much: whole blocks where it must be.
  std::size_t whole_blocks(std::size_t room) const noexcept;

  /// For read(2): where to read, and what follows after that many bytes. The kernel forgets to
  /// advance a file position at offset -1 (seen on 6.18) after an O_DIRECT read, so the position is
  /// looked up and set here.
  std::int64_t read_offset() const noexcept;
  void read_ended(std::int64_t from, std::size_t nbytes) const noexcept;
};

}  // namespace zc::detail
