#include "patience.hpp"

#include <algorithm>

#include "zc/sleep.hpp"

namespace file_server {

patience::patience(const time_limits& limits, const outlet& answers) noexcept
    : limits_(limits), answers_(answers) {
  await(wait::request);
}

std::chrono::milliseconds patience::limit_of(wait what) const noexcept {
  switch (what) {
    case wait::request:
      return limits_.idle;
    case wait::head:
    case wait::close:
      return limits_.head;
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
  deadline_ = coarse_clock::now() + limit_of(what);
}

zc::task<> patience::run_out() {
  for (;;) {
    const coarse_clock::time_point now = std::chrono::steady_clock::now();
    if (what_ == wait::reader && answers_.accepted() != accepted_) {
      accepted_ = answers_.accepted();
      deadline_ = now + limits_.send;
    }
    if (now >= deadline_) co_return;
    co_await zc::sleep_for(std::min<std::chrono::nanoseconds>(deadline_ - now, shortest()));
  }
}

}  // namespace file_server
