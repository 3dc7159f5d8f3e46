#pragma once

#include <chrono>

#include "zc/detail/cpp20.hpp"

namespace zc::detail {

/// Any duration in nanoseconds, rounded up; the longest there is for what is longer.
template <class Rep, class Period>
constexpr std::chrono::nanoseconds to_nanoseconds(std::chrono::duration<Rep, Period> from) {
  using std::chrono::nanoseconds;
  using exact = std::chrono::duration<long double, std::nano>;
  if (exact(from) >= exact(nanoseconds::max())) return nanoseconds::max();
  if (exact(from) <= exact(nanoseconds::zero())) return nanoseconds::zero();
  return std::chrono::ceil<nanoseconds>(from);
}

}  // namespace zc::detail
