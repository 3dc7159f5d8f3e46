#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "measure.hpp"
#include "zc/fd.hpp"

namespace bench {

/// A process that reads whatever comes on some TCP connections over loopback, and counts it.
///
/// It copies every byte into a buffer of its own, as any real receiver does: one that discards them
/// in the kernel measures wake-ups.
class sink {
 public:
  /// `check`: each byte must be the one of the test files' pattern at its place in the stream.
  sink(unsigned core, unsigned connections, bool check);

  /// The sending ends, in blocking mode.
  const std::vector<zc::fd>& sockets() const { return sockets_; }

  /// Shuts the connections down and resumes when the last byte of each has been read: how many
  /// came.
  std::uint64_t finish();

 private:
  std::vector<zc::fd> sockets_;
  zc::fd report_;
  std::optional<helper_process> process_;
};

/// A socket that listens on a free port of loopback.
zc::fd listen_on_loopback(int backlog);

/// Connects to it.
zc::fd connect_to(int listener);

/// Accepts `count` connections from a process that makes them; throws when none comes any more.
std::vector<zc::fd> accept_all(int listener, std::size_t count);

/// Flips O_NONBLOCK.
void set_nonblocking(int fd, bool on);

}  // namespace bench
