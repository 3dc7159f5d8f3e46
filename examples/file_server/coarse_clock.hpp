#pragma once

#include <time.h>

#include <chrono>

namespace file_server {

/// std::chrono::steady_clock as of the last timer interrupt: some milliseconds behind, and it costs
/// next to nothing to ask.
struct coarse_clock {
  using time_point = std::chrono::steady_clock::time_point;

  static time_point now() noexcept {
    timespec read{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &read);
    return time_point(std::chrono::seconds(read.tv_sec) + std::chrono::nanoseconds(read.tv_nsec));
  }
};

}  // namespace file_server
