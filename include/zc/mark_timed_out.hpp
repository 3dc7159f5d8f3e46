#pragma once

#include <type_traits>

#include "zc/detail/cpp20.hpp"
#include "zc/detail/parts.hpp"

namespace zc {

/// Says of a value that a deadline cut its work short, as timeout() does: transfers that are
/// `cancelled` become `timed_out`, and so do a batch_result and a relay_result; a result of
/// ECANCELED is one of ETIMEDOUT, and likewise an outcome.
///
/// Looks into tuples, pairs, optionals, variants, results and containers, however deep. A type of
/// your own stays as it is, unless it has a function `void time_out(T&)` in its namespace, which
/// may call this for its members.
template <class T>
void mark_timed_out(T& value) noexcept {
  if constexpr (!std::is_const_v<T>) {
    if constexpr (requires { time_out(value); }) time_out(value);
    detail::visit_parts(value, [](auto& part) { mark_timed_out(part); });
  }
}

}  // namespace zc
