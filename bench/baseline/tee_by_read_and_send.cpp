// pread(2) or recv(2) once, and send(2) to all.

#include <sys/socket.h>

#include <algorithm>

#include "to_all.hpp"

namespace baseline {

void tee_by_read_and_send(const teeing& what) {
  std::vector<std::byte> buffer(256 * 1024);
  to_all targets(what.outs);
  const std::uint64_t all = what.bytes * what.times;
  for (std::uint64_t at = 0; at < all;) {
    const std::size_t in_file = at % what.bytes;
    const std::size_t got =
        what.stream
            ? read_or_wait(what.in,
                           [&] { return ::recv(what.in, buffer.data(), buffer.size(), 0); })
            : static_cast<std::size_t>(bench::require(
                  ::pread(what.in, buffer.data(), std::min(buffer.size(), what.bytes - in_file),
                          static_cast<off_t>(in_file)),
                  "pread"));
    if (got == 0) return;
    targets.give(got, [&](int socket, std::size_t, std::size_t sent) {
      return ::send(socket, buffer.data() + sent, got - sent, 0);
    });
    at += got;
  }
}

}  // namespace baseline
