#pragma once

#include <sys/stat.h>

#include <system_error>

#include "transfer/foreknowledge.hpp"
#include "transfer/mover.hpp"
#include "zc/transfer.hpp"

namespace zc::detail {

/// Why a call is refused before a byte moves, and which descriptor it is about.
struct refusal {
  std::error_code error;
  side where = side::none;
};

/// Checks the call and fills in what follows from it. Nothing has moved when it refuses. `about`:
/// what fstat(2) has just said of `in`, where it was asked.
refusal check(mover& m, int in, int out, const foreknowledge& known,
              const struct stat* about) noexcept;

/// The same for bytes that come from memory.
refusal check_delivery(mover& m, int out) noexcept;

}  // namespace zc::detail
