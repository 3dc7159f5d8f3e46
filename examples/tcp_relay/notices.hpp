#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string_view>

namespace tcp_relay {

/// Says on standard error what goes wrong with connections: a line a second at most, with how many
/// were left out before it. For all threads.
class notices {
 public:
  void say(std::string_view what);

 private:
  std::mutex lock_;
  std::chrono::steady_clock::time_point next_;
  std::uint64_t left_out_ = 0;
};

}  // namespace tcp_relay
