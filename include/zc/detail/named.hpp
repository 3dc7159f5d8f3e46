#pragma once

#include <type_traits>

#include "zc/detail/cpp20.hpp"

namespace zc::detail {

// GCC before 13 (12.2 does; 13.3, 14.2 do not) destroys a closure twice that is written inside of a
// co_await expression, whatever it is given to; one with a name, never.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
inline constexpr bool destroys_temporaries_twice = true;
#else
inline constexpr bool destroys_temporaries_twice = false;
#endif

/// What takes callables as `Callable&&`, and is awaited, refuses those that could be destroyed
/// twice. A moved one cannot be told from a temporary.
template <class... Callables>
consteval void refuse_temporaries() {
  static_assert(
      ((!destroys_temporaries_twice || std::is_lvalue_reference_v<Callables> ||
        std::is_trivially_destructible_v<std::remove_reference_t<Callables>>)&&...),
      "zc: give the closure a name before the co_await expression, and pass that or std::ref to "
      "it: this compiler destroys a temporary twice");
}

}  // namespace zc::detail
