#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace ship {

/// Says on standard error who was turned away, and why: ten lines in ten seconds at most, with how
/// many were left out before. Whoever can connect decides how many there are.
class refusals {
 public:
  void say(std::string_view who, std::string_view why);

 private:
  std::chrono::steady_clock::time_point window_;
  unsigned said_ = 0;
  std::uint64_t left_out_ = 0;
};

}  // namespace ship
