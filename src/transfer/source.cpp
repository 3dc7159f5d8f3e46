#include "transfer/source.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "engine/direct_call.hpp"
#include "zc/detail/errno_code.hpp"

namespace zc::detail {

std::int64_t source::offset() const noexcept { return at >= 0 ? at : ::lseek(end.fd, 0, SEEK_CUR); }

std::error_code source::check_message(ring& kernel, std::size_t room) const noexcept {
  if (!end.messages) return {};
  const int length = direct_message_length(kernel, end.fd);
  // vsock does not allow MSG_PEEK on Linux 6.1. There may be room for any message all the same.
  if (length == -EOPNOTSUPP && room >= endpoint::message_limit_bytes) return {};
  // Without a message the move would take one that arrives meanwhile, however long. An error is
  // told only once.
  if (length < 0) return errno_code(-length);
  return static_cast<std::size_t>(length) > room ? errno_code(EMSGSIZE) : std::error_code();
}

std::size_t source::whole_blocks(std::size_t room) const noexcept {
  if (!end.in_blocks()) return room;
  // One at least: after a part of one there is no going on.
  return std::max(room / endpoint::block_bytes, std::size_t{1}) * endpoint::block_bytes;
}

std::int64_t source::read_offset() const noexcept {
  if (end.is == endpoint::kind::file) return offset();
  return end.seekable ? at : -1;
}

void source::read_ended(std::int64_t from, std::size_t nbytes) const noexcept {
  if (end.is != endpoint::kind::file || at != file_position || from < 0) return;
  ::lseek(end.fd, from + static_cast<std::int64_t>(nbytes), SEEK_SET);
}

}  // namespace zc::detail
