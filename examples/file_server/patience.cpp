#include "patience.hpp"

#include <algorithm>
#include <utility>

#include "zc/sleep.hpp"

namespace file_server {

using namespace std::chrono_literals;

patience::patience(const time_limits& limits, const outlet& answers) noexcept
    : limits_(limits), answers_(answers) {
  await(wait::request);
}

std::chrono::milliseconds patience::limit_of(wait what) const noexcept {
  switch (what) {
    case wait::request:
      return limits_.idle;
    case wait::head:
    case wait::rest:
      return limits_.head;
    case wait::answer:  // see await()
    case wait::reader:
      return limits_.send;
  }
  return limits_.head;
}

std::chrono::milliseconds patience::shortest() const noexcept {
  return std::min({limits_.idle, limits_.head, limits_.send});
}

void patience::await(wait what) noexcept {
  what_ = what;
  deadline_ =
      what == wait::answer ? coarse_clock::time_point::max() : coarse_clock::now() + limit_of(what);
}

void patience::note_progress(coarse_clock::time_point now) noexcept {
  const std::uint64_t taken = answers_.acknowledged();
  if (std::exchange(taken_, taken) == taken) return;
  const std::chrono::microseconds ago = answers_.since_acknowledged().value_or(0us);
  deadline_ = std::max(deadline_, now - ago + limits_.send);
}

zc::task<bool> patience::run_out() {
  for (;;) {
    const coarse_clock::time_point now = std::chrono::steady_clock::now();
    if (what_ == wait::reader) note_progress(now);
    if (now >= deadline_) co_return true;
    const zc::result<void> slept =
        co_await zc::try_sleep_for(std::min<std::chrono::nanoseconds>(deadline_ - now, shortest()));
    if (!slept) co_return false;
  }
}

}  // namespace file_server
