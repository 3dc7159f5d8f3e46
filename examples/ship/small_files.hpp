#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tree.hpp"

namespace ship {

/// Small files that were read whole.
struct small_files {
  static constexpr std::uint64_t not_read = ~std::uint64_t{0};

  std::string frame;  // what to send: a small_files frame, empty where none could be read
  std::vector<std::uint64_t> bytes;       // of each that was looked at, or not_read
  std::uint64_t extended_attributes = 0;  // files with some
};

/// Whether a file may travel with others in one frame.
bool is_small(const entry& what);

/// How many of the files at the beginning of `entries` are small and fit into one frame.
std::size_t count_that_fit(std::span<const entry> entries);

/// Reads the first of `files`, which fit into one frame, as many as a fraction of a second allows:
/// at least one. What is no longer as it was when the tree was looked at, what has holes, and what
/// cannot be read is left to be sent in another way. `into` may be one that was used before.
/// Blocks.
void read_small_files(std::span<const entry* const> files, small_files& into);

}  // namespace ship
