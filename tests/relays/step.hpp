#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "relays/plan.hpp"
#include "zc/relay.hpp"

namespace relays {

/// What became of one direction: from end 0 to end 1, or back.
struct seen_way {
  zc::transfer done;
  std::uint64_t progress = 0;
  std::uint64_t said = 0;      // accepted by the kernel from the peer that speaks
  std::string received;        // by the one that hears
  bool starved = false;        // that one waited in vain for bytes, or for the end
  std::string left_in_source;  // still to be read where the relay read
};

struct seen_relay {
  std::array<seen_way, 2> ways;
  std::array<bool, 2> died{};  // the peer of each end, before the relay ended
  bool flags_kept = true;
  bool gave_up = false;  // it had to be cancelled, at last
  std::chrono::nanoseconds took{};
};

struct observation {
  std::vector<seen_relay> relays;
  std::string left_over;  // descriptors and pipes that were not there before
};

/// Runs a step.
observation run(const plan& all);

/// What is wrong with what was seen, a line each; empty: all is well.
std::string problems_of(const plan& all, const observation& seen);

/// Salt of what peer `end` of a relay says.
unsigned salt_of(const plan& all, std::size_t relay, std::size_t end);

}  // namespace relays
