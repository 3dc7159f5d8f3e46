// A ring to wait, two splice(2) through a pipe to move: sendfile(2) with a pipe of one's own size.

#include <fcntl.h>

#include <algorithm>
#include <vector>

#include "own_pipe.hpp"
#include "ring_server.hpp"
#include "serve.hpp"
#include "step.hpp"

namespace baseline {

namespace {

constexpr int pipe_bytes = 256 * 1024;

/// A pipe for each connection that has bytes on their way; one for all where no socket is ever
/// full.
class pipes {
 public:
  explicit pipes(std::size_t connections) : of_(connections) {}

  own_pipe& of(std::size_t index) {
    if (!of_[index]) of_[index] = idle_.empty() ? own_pipe(pipe_bytes) : take_idle();
    return of_[index];
  }
  void empty(std::size_t index) { idle_.push_back(std::move(of_[index])); }

 private:
  own_pipe take_idle() {
    own_pipe last = std::move(idle_.back());
    idle_.pop_back();
    return last;
  }

  std::vector<own_pipe> of_;
  std::vector<own_pipe> idle_;
};

}  // namespace

void serve_ring_poll_splice(const serving& what) {
  pipes all(what.sockets.size());
  std::vector<std::size_t> filled(what.sockets.size());  // bytes in each one's pipe
  serve_with_ring(what, [&](connection& to) {
    const std::size_t index = to.index;
    own_pipe& through = all.of(index);
    if (filled[index] == 0) {
      off_t at = static_cast<off_t>(to.sent);
      filled[index] = static_cast<std::size_t>(
          bench::require(::splice(what.file, &at, through.write_end(), nullptr,
                                  std::min<std::size_t>(what.file_bytes - to.sent, pipe_bytes), 0),
                         "splice"));
    }
    // Without SPLICE_F_MORE the last segment of each piece would go out by itself.
    const bool last = to.sent + filled[index] == what.file_bytes;
    const ssize_t sent = ::splice(through.read_end(), nullptr, to.socket, nullptr, filled[index],
                                  last ? 0 : SPLICE_F_MORE);
    if (sent > 0) filled[index] -= static_cast<std::size_t>(sent);
    const outcome now = after_send(to, what.file_bytes, sent, "splice");
    if (now != outcome::blocked && filled[index] == 0) all.empty(index);
    return now;
  });
}

}  // namespace baseline
