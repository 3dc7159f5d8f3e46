#pragma once

#include "zc/fd.hpp"

namespace zc::detail {

/// The same descriptor, close-on-exec, under a number that is not standard input, output or error.
///
/// A program may run with those closed and mean it: 1 is then "no output", not one of zc's own.
/// Owns nothing, with errno set, where there is none left.
fd own_descriptor(fd opened) noexcept;

}  // namespace zc::detail
