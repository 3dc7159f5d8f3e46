#pragma once

#include <fcntl.h>

#include <algorithm>
#include <vector>

#include "connection.hpp"
#include "kept_pipes.hpp"

namespace baseline {

/// Pieces of an answer by two splice(2) through a pipe: sendfile(2) with a pipe of one's own size.
class splice_step {
 public:
  explicit splice_step(const serving& what)
      : what_(what), pipes_(what.sockets.size(), pipe_bytes), filled_(what.sockets.size()) {}

  outcome operator()(connection& to) {
    own_pipe& through = pipes_.of(to.index);
    std::size_t& filled = filled_[to.index];
    if (filled == 0) {
      off_t at = position(to, what_);
      filled = static_cast<std::size_t>(
          bench::require(::splice(what_.file, &at, through.write_end(), nullptr,
                                  std::min<std::size_t>(what_.file_bytes - to.sent, pipe_bytes), 0),
                         "splice"));
    }
    // Without SPLICE_F_MORE the last segment of each piece would go out by itself.
    const bool last = to.sent + filled == what_.file_bytes;
    const ssize_t sent = ::splice(through.read_end(), nullptr, to.socket, nullptr, filled,
                                  SPLICE_F_NONBLOCK | (last ? 0U : SPLICE_F_MORE));
    if (sent > 0) filled -= static_cast<std::size_t>(sent);
    const std::size_t index = to.index;
    const outcome now = after_send(to, what_, sent, "splice");
    if (now != outcome::blocked && filled == 0) pipes_.empty(index);
    return now;
  }

 private:
  static constexpr int pipe_bytes = 256 * 1024;

  const serving& what_;
  kept_pipes pipes_;
  std::vector<std::size_t> filled_;  // bytes in each one's pipe
};

}  // namespace baseline
