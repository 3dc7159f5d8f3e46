#pragma once

#include <exception>

#include "zc/detail/cpp20.hpp"
#include "zc/detail/export.hpp"

namespace zc::detail {

/// Adds what one of several tasks threw to what is to be thrown for all: the first exception, with
/// the bytes of the others (see left_behind).
///
/// Where the tasks were `cancelled`, one that ends with ECANCELED is no news: it is left out if it
/// has no bytes, and any other exception comes before it if it has.
ZC_API void keep_first(std::exception_ptr& first, const std::exception_ptr& error,
                       bool cancelled = false) noexcept;

}  // namespace zc::detail
