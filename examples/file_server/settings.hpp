#pragma once

#include <chrono>
#include <cstddef>

namespace file_server {

/// How long a client may keep the server waiting.
struct time_limits {
  std::chrono::milliseconds head{10'000};  // for all of a request, from its first byte on
  std::chrono::milliseconds idle{60'000};  // for the first byte of the next one
  std::chrono::milliseconds send{30'000};  // for taking a byte of an answer
};

/// What all connections have in common.
struct settings {
  int root = -1;  // a directory
  time_limits limits;
  std::size_t cached_files = 0;  // of each thread: see file_cache
  bool access_log = false;
};

}  // namespace file_server
