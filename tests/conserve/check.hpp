#pragma once

#include <string>

#include "conserve/schedule.hpp"
#include "conserve/step.hpp"

namespace conserve {

/// What is wrong with what was seen of a schedule, one line each; empty if every byte is accounted
/// for.
std::string problems_of(const schedule& all, const observation& seen);

}  // namespace conserve
