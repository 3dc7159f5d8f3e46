#include "progress_line.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "zc/sleep.hpp"

namespace ship {

namespace {

constexpr std::chrono::milliseconds interval{200};
// How much of the rate shown is the newest measurement.
constexpr double newest_share = 0.2;

bool line_is_shown = false;

void show(const standing& now, double bytes_per_second) {
  const std::string text = progress_text(now, bytes_per_second, columns_of(STDERR_FILENO));
  std::fprintf(stderr, "\r\033[K%s", text.c_str());
  std::fflush(stderr);
  line_is_shown = true;
}

std::string megabytes(double bytes) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f", bytes / 1e6);
  return text.data();
}

std::string time_text(long seconds) {
  const std::string rest = std::to_string(seconds % 60);
  return std::to_string(seconds / 60) + (rest.size() < 2 ? ":0" : ":") + rest;
}

}  // namespace

std::string progress_text(const standing& now, double bytes_per_second, std::size_t columns) {
  const auto done = static_cast<double>(now.bytes);
  const auto total = static_cast<double>(now.bytes_total);
  // The most telling first: those that do not fit are left out.
  std::vector<std::string> parts{
      std::to_string(now.files) + "/" + std::to_string(now.files_total) + " files",
      megabytes(done) + "/" + megabytes(total) + " MB", megabytes(bytes_per_second) + " MB/s"};
  const double left = total - done;
  if (left > 0 && bytes_per_second > 0 && left / bytes_per_second < 1e6) {
    parts.push_back(time_text(static_cast<long>(left / bytes_per_second) + 1) + " left");
  }
  const std::size_t room = columns > 0 ? columns - 1 : 0;
  std::string text = parts.front().substr(0, room);
  for (std::size_t i = 1; i < parts.size() && text.size() + 2 + parts[i].size() <= room; ++i) {
    text += "  " + parts[i];
  }
  return text;
}

std::size_t columns_of(int terminal) {
  winsize size{};
  if (::ioctl(terminal, TIOCGWINSZ, &size) < 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

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
    const zc::result<void> slept = co_await zc::try_sleep_for(interval);
    if (!slept) co_return;
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
