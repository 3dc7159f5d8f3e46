#pragma once

#include <cstdint>
#include <functional>

#include "zc/task.hpp"

namespace ship {

struct standing {
  std::uint64_t files = 0;
  std::uint64_t files_total = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_total = 0;
};

/// Shows how far things are on stderr, several times a second, until it is cancelled: rate, files,
/// time left. `ask` lives until then.
zc::task<> show_progress(const std::function<standing()>& ask);

/// Takes the line away, if there is one, to make room for other output.
void clear_progress_line();

/// Whether stderr is a terminal.
bool can_show_progress();

}  // namespace ship
