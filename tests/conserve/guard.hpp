#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "conserve/schedule.hpp"

namespace conserve {

/// How one lane ended, for the statistics.
struct lane_summary {
  zc::stop_reason reason = zc::stop_reason::complete;
  zc::route route = zc::route::automatic;
  int error = 0;
  std::uint64_t moved = 0;
  std::uint64_t remainder = 0;
};

/// What came of a step.
struct verdict {
  std::string problems;  // empty: all is well
  bool hung = false;
  std::vector<lane_summary> lanes;
};

/// Runs and checks steps, each in a process of its own: what crashes, is killed by a signal, or
/// does not end, is a problem of that step and of nothing else.
class guard {
 public:
  /// A step that has not ended after `bound` never will.
  explicit guard(std::chrono::seconds bound) : bound_(bound) {}

  verdict run(const schedule& all);

  std::chrono::seconds bound() const { return bound_; }
  void set_bound(std::chrono::seconds bound) { bound_ = bound; }

 private:
  std::chrono::seconds bound_;
};

/// Where the steps' files are made.
const std::filesystem::path& workspace();

}  // namespace conserve
