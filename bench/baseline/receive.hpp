#pragma once

#include <span>

/// What takes one stream from each of many connections to its end, by hand, without zc: it empties
/// one socket before it goes to the next, and returns when all have ended.
namespace baseline {

struct receiving {
  std::span<const int> from;  // TCP sockets, O_NONBLOCK
  std::span<const int> to;    // one for each: files, or sockets with O_NONBLOCK
  bool to_files = false;
};

/// recv(2), and pwrite(2) or send(2).
void receive_by_copy(const receiving& what);
/// splice(2) twice through a pipe that is kept.
void receive_by_splice(const receiving& what);

}  // namespace baseline
