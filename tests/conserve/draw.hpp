#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "conserve/schedule.hpp"

namespace conserve {

/// What there is to draw from: not every machine has everything, nor every user.
struct choices {
  std::vector<kind> sources;
  std::vector<kind> targets;
  std::vector<limit> limits;
};
choices choices_here(const std::filesystem::path& workspace);

/// The schedule of one step of a run: the same for the same numbers and the same choices.
schedule draw(std::uint64_t seed, std::uint64_t step, const choices& from);

}  // namespace conserve
