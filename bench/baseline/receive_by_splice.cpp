// epoll(7) and splice(2) twice through a pipe that is kept, until nothing more is there.

#include <fcntl.h>

#include "kept_pipes.hpp"
#include "until_empty.hpp"

namespace baseline {

namespace {

constexpr int pipe_bytes = 256 * 1024;

class splicing {
 public:
  explicit splicing(const receiving& what)
      : to_files_(what.to_files), pipes_(what.from.size(), pipe_bytes) {}

  bool operator()(incoming& of) {
    for (;;) {
      own_pipe& through = pipes_.of(of.index);
      if (of.in_between > 0 && !drain(of, through)) return false;
      const ssize_t got = ::splice(of.from, nullptr, through.write_end(), nullptr, pipe_bytes,
                                   SPLICE_F_NONBLOCK | SPLICE_F_MORE);
      const bool nothing = got < 0 && errno == EAGAIN;
      if (!nothing) of.in_between = static_cast<std::size_t>(bench::require(got, "splice"));
      if (of.in_between > 0) continue;
      pipes_.empty(of.index);
      return !nothing;
    }
  }

 private:
  /// False where the socket takes no more.
  bool drain(incoming& of, const own_pipe& through) {
    while (of.in_between > 0) {
      const ssize_t moved =
          ::splice(through.read_end(), nullptr, of.to, to_files_ ? &of.at : nullptr, of.in_between,
                   to_files_ ? 0U : SPLICE_F_NONBLOCK);
      if (moved < 0 && errno == EAGAIN) return false;
      of.in_between -= static_cast<std::size_t>(bench::require(moved, "splice"));
    }
    return true;
  }

  bool to_files_;
  kept_pipes pipes_;
};

}  // namespace

void receive_by_splice(const receiving& what) {
  splicing move(what);
  receive_until_empty(what, [&](incoming& of) { return move(of); });
}

}  // namespace baseline
