#include "notices.hpp"

#include <cstdio>
#include <string>
#include <utility>

#include "terminal/printable.hpp"

namespace tcp_relay {

namespace {
constexpr std::chrono::seconds pause(1);
}

void notices::say(std::string_view what) {
  const std::lock_guard<std::mutex> locked(lock_);
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) {
    ++left_out_;
    return;
  }
  next_ = now + pause;
  std::string line = "tcp_relay: " + terminal::printable(what);
  const std::uint64_t unsaid = std::exchange(left_out_, 0);
  if (unsaid > 0) line += " (and " + std::to_string(unsaid) + " more before)";
  line += '\n';
  std::fputs(line.c_str(), stderr);
}

}  // namespace tcp_relay
