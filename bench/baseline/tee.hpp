#pragma once

#include <cstdint>
#include <span>

/// The same bytes to each of some sockets, by hand, without zc.
namespace baseline {

struct teeing {
  int in = -1;                // a hot file, or a TCP socket with O_NONBLOCK
  bool stream = false;        // the latter
  std::size_t bytes = 0;      // of the file
  std::uint64_t times = 1;    // it is sent so often, one after the other; a stream has all of them
  std::span<const int> outs;  // O_NONBLOCK
};

/// pread(2) or recv(2) once, and send(2) to all.
void tee_by_read_and_send(const teeing& what);
/// sendfile(2) to each by itself: of a file.
void tee_by_sendfile(const teeing& what);
/// tee(2) into a pipe for each and splice(2) from there: of a stream.
void tee_by_tee(const teeing& what);

}  // namespace baseline
