// pread(2) and send(2): two copies.

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <span>
#include <vector>

#include "send_file.hpp"
#include "support/require.hpp"

namespace baseline {

void send_by_read_and_send(int file, int socket, std::uint64_t bytes) {
  // Small enough to stay in the second-level cache between the two copies.
  std::vector<std::byte> buffer(128 * 1024);
  for (std::uint64_t at = 0; at < bytes;) {
    const std::size_t piece = std::min<std::uint64_t>(buffer.size(), bytes - at);
    const auto got = static_cast<std::size_t>(
        bench::require(::pread(file, buffer.data(), piece, static_cast<off_t>(at)), "pread"));
    if (got == 0) return;
    for (std::span left = std::span(buffer).first(got); !left.empty();) {
      const ssize_t sent = bench::require(::send(socket, left.data(), left.size(), 0), "send");
      left = left.subspan(static_cast<std::size_t>(sent));
    }
    at += got;
  }
}

}  // namespace baseline
