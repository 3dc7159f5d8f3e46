#include "refusals.hpp"

#include <cstdio>
#include <string>
#include <utility>

#include "progress_line.hpp"
#include "terminal/printable.hpp"

namespace ship {

namespace {
constexpr std::chrono::seconds window(10);
constexpr unsigned lines_in_window = 10;
}  // namespace

void refusals::say(std::string_view who, std::string_view why) {
  const auto now = std::chrono::steady_clock::now();
  if (now - window_ >= window) {
    window_ = now;
    said_ = 0;
  }
  if (said_ == lines_in_window) {
    ++left_out_;
    return;
  }
  ++said_;
  std::string line = "ship: refused ";
  terminal::add_printable(line, who);
  line += ": ";
  terminal::add_printable(line, why);
  const std::uint64_t unsaid = std::exchange(left_out_, 0);
  if (unsaid > 0) line += " (and " + std::to_string(unsaid) + " more before)";
  clear_progress_line();
  std::fprintf(stderr, "%s\n", line.c_str());
}

}  // namespace ship
