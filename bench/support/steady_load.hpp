#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "zc/fd.hpp"

namespace bench {

/// Requests that come at a steady pace, however slowly they are answered: one `every` so often, on
/// whichever of the connections is idle.
struct pace {
  std::vector<zc::fd> sockets;
  std::chrono::microseconds every{};
  std::size_t answer_bytes = 0;
  /// Sends the next request. A request is a few bytes, and does not block.
  std::function<void(int socket)> ask;
};

struct answers {
  /// Of each request, in microseconds, from when it was due: one that had to wait for an idle
  /// connection has waited too.
  std::vector<double> latencies;
};

/// Runs all paces at once in this thread for `duration`, then waits for what is still to come.
std::vector<answers> run_steadily(std::vector<pace> paces, std::chrono::milliseconds duration);

}  // namespace bench
