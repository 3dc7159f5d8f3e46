#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "conserve/guard.hpp"
#include "conserve/schedule.hpp"

namespace conserve {

/// Schedules that are a little simpler than this one, the simplest first. Never the planted fault.
std::vector<schedule> simpler_than(const schedule& what);

struct shrunk {
  schedule shortest;
  std::string problems;  // of the shortest
  int runs = 0;
  bool reproduced = false;  // false: it never failed again, and is as it was
};

/// The shortest schedule that still fails in the same way. Each candidate is tried up to `tries`
/// times, as many failures are races; stops after `budget`, and at a schedule that is `enough`.
shrunk shrink(const schedule& failing, const std::string& problems, guard& by, int tries,
              std::chrono::seconds budget,
              const std::function<bool(const schedule&)>& enough = nullptr);

}  // namespace conserve
