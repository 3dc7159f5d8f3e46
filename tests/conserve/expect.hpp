#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "conserve/schedule.hpp"
#include "zc/transfer.hpp"

namespace conserve {

/// One way in which a transfer may end.
struct ending_rule {
  zc::stop_reason reason = zc::stop_reason::complete;
  int error = 0;
  zc::side side = zc::side::none;
  std::uint64_t least_moved = 0;
  std::uint64_t most_moved = 0;
  std::uint64_t most_taken = 0;
};

/// The first byte that is asked for of the source.
std::uint64_t start_of(const lane& of);
/// Where the first byte goes in a target with a position.
std::uint64_t out_start_of(const lane& of);

/// How many bytes there are for this call in a source that nothing disturbs. `proc_size` is the
/// size of the file of /proc.
std::uint64_t wanted(const lane& of, std::uint64_t proc_size);

/// All the ways in which this transfer may end, derived from the contract alone.
std::vector<ending_rule> allowed_endings(const schedule& all, const lane& of,
                                         std::uint64_t proc_size);

/// Whether a transfer would rightly wait, and never end, if nobody ended it.
bool may_wait_for_ever(const lane& of);

std::string to_text(const ending_rule& rule);

}  // namespace conserve
