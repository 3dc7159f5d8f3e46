#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "tees/plan.hpp"
#include "zc/transfer.hpp"

namespace tees {

/// What became of one target.
struct seen_target {
  zc::transfer done;
  std::string received;  // by its peer, or what is in the file from where it was to begin
  bool closed = false;   // its peer has gone by itself
  bool starved = false;  // its peer waited in vain for bytes, or for the end
};

struct seen_tee {
  std::vector<seen_target> targets;
  std::uint64_t progress = 0;
  std::uint64_t fed = 0;       // to a source that is no file
  std::string left_in_source;  // and what is still to be read from it
  bool flags_kept = true;
  bool gave_up = false;  // it had to be cancelled, at last
  std::chrono::nanoseconds took{};
};

struct observation {
  std::vector<seen_tee> tees;
  std::string left_over;  // descriptors and pipes that were not there before
};

/// Runs a step.
observation run(const plan& all);

/// What is wrong with what was seen, a line each; empty: all is well.
std::string problems_of(const plan& all, const observation& seen);

/// Salt of what a tee's source holds.
unsigned salt_of(const plan& all, std::size_t tee);

}  // namespace tees
