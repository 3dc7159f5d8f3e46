// splice(2) into a pipe, tee(2) from there into a pipe for each target but the last, and splice(2)
// from all of them: no byte is copied.

#include <fcntl.h>

#include "own_pipe.hpp"
#include "to_all.hpp"

namespace baseline {

void tee_by_tee(const teeing& what) {
  constexpr int pipe_bytes = 256 * 1024;
  const own_pipe from(pipe_bytes);
  std::vector<own_pipe> copies;
  while (copies.size() + 1 < what.outs.size()) copies.emplace_back(pipe_bytes);
  to_all targets(what.outs);
  const std::uint64_t all = what.bytes * what.times;
  for (std::uint64_t at = 0; at < all;) {
    const std::size_t got = read_or_wait(what.in, [&] {
      return ::splice(what.in, nullptr, from.write_end(), nullptr, pipe_bytes, SPLICE_F_NONBLOCK);
    });
    if (got == 0) return;
    for (const own_pipe& copy : copies) {
      const ssize_t count =
          bench::require(::tee(from.read_end(), copy.write_end(), got, SPLICE_F_NONBLOCK), "tee");
      bench::require_equal(static_cast<std::size_t>(count), got, "bytes in a copy");
    }
    targets.give(got, [&](int socket, std::size_t index, std::size_t sent) {
      const own_pipe& through = index < copies.size() ? copies[index] : from;
      return ::splice(through.read_end(), nullptr, socket, nullptr, got - sent, SPLICE_F_NONBLOCK);
    });
    at += got;
  }
}

}  // namespace baseline
