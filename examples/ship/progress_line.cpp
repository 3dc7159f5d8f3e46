#include "progress_line.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "zc/sleep.hpp"

namespace ship {

namespace {

constexpr std::chrono::milliseconds interval{200};
// How much of the rate shown is the newest measurement.
constexpr double newest_share = 0.2;

bool line_is_shown = false;

void show(const standing& now, double bytes_per_second) {
  const double left = static_cast<double>(now.bytes_total) - static_cast<double>(now.bytes);
  std::fprintf(stderr, "\r\033[K%llu/%llu files  %.1f/%.1f MB  %.1f MB/s",
               static_cast<unsigned long long>(now.files),
               static_cast<unsigned long long>(now.files_total),
               static_cast<double>(now.bytes) / 1e6, static_cast<double>(now.bytes_total) / 1e6,
               bytes_per_second / 1e6);
  if (left > 0 && bytes_per_second > 0 && left / bytes_per_second < 1e6) {
    const auto seconds = static_cast<long>(left / bytes_per_second) + 1;
    std::fprintf(stderr, "  %ld:%02ld left", seconds / 60, seconds % 60);
  }
  std::fflush(stderr);
  line_is_shown = true;
}

}  // namespace

bool can_show_progress() { return ::isatty(STDERR_FILENO) == 1; }

void clear_progress_line() {
  if (!line_is_shown) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  line_is_shown = false;
}

zc::task<> show_progress(const std::function<standing()>& ask) {
  using clock = std::chrono::steady_clock;
  double rate = 0;
  std::uint64_t bytes_before = ask().bytes;
  clock::time_point before = clock::now();
  for (;;) {
    co_await zc::sleep_for(interval);
    const standing now = ask();
    const clock::time_point at = clock::now();
    const double seconds = std::chrono::duration<double>(at - before).count();
    const double newest =
        now.bytes > bytes_before ? static_cast<double>(now.bytes - bytes_before) / seconds : 0.0;
    rate = rate > 0 ? newest * newest_share + rate * (1 - newest_share) : newest;
    bytes_before = now.bytes;
    before = at;
    show(now, rate);
  }
}

}  // namespace ship
