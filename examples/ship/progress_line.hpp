#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "zc/task.hpp"

namespace ship {

struct standing {
  std::uint64_t files = 0;
  std::uint64_t files_total = 0;
  std::uint64_t bytes = 0;
  std::uint64_t bytes_total = 0;
};

/// What the line says, as much of it as fits: shorter than `columns`, so that no terminal wraps it.
std::string progress_text(const standing& now, double bytes_per_second, std::size_t columns);

/// How wide a terminal is; 80 where it does not know itself.
std::size_t columns_of(int terminal);

/// Shows how far things are on stderr, several times a second, until it is cancelled: rate, files,
/// time left. `ask` lives until then.
zc::task<> show_progress(const std::function<standing()>& ask);

/// Takes the line away, if there is one, to make room for other output.
void clear_progress_line();

/// Whether stderr is a terminal.
bool can_show_progress();

}  // namespace ship
