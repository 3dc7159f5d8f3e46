#include "session.hpp"

#include <sys/ioctl.h>

#include <algorithm>

namespace ship {

namespace {

bool holds_bytes(int socket) {
  int nbytes = 0;
  return ::ioctl(socket, FIONREAD, &nbytes) == 0 && nbytes > 0;
}

}  // namespace

std::chrono::steady_clock::duration session::idle_for(std::chrono::steady_clock::time_point now) {
  const std::uint64_t moved = body.moved.load();
  // The disk may be slower than the sender.
  const bool waits_for_us =
      working > 0 || std::any_of(taken_from.begin(), taken_from.end(), holds_bytes);
  if (waits_for_us || frames != idle.frames || moved != idle.moved) idle = {frames, moved, now};
  return now - idle.since;
}

}  // namespace ship
