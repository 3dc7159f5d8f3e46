#pragma once

#include <cstdint>

#include "transfer/pump.hpp"
#include "zc/detail/endpoint.hpp"
#include "zc/result.hpp"
#include "zc/transfer.hpp"

namespace zc::detail {

/// Why a call is refused before a byte moves, and which descriptor it is about.
struct refusal {
  int error = 0;  // errno; 0: it is not refused
  side where = side::none;
};

/// Checks the call and fills in what follows from it: the ends are as they were found to be.
/// Nothing has moved when it refuses.
refusal check(pump& call, const result<endpoint>& in, const result<endpoint>& out) noexcept;

/// The same for `nbytes` that come from memory.
refusal check_delivery(pump& call, const result<endpoint>& out, std::uint64_t nbytes) noexcept;

}  // namespace zc::detail
