#pragma once

#include "zc/detail/cpp20.hpp"
#include "zc/detail/export.hpp"

namespace zc::detail {

/// For a broken precondition that no exception can tell of, in every kind of build: writes
/// `sentence` to stderr and ends the program with abort(3). The library prints nothing else.
[[noreturn, gnu::cold]] ZC_API void precondition_broken(const char* sentence) noexcept;

}  // namespace zc::detail
