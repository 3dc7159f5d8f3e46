#pragma once

#include <system_error>

#include "zc/transfer.hpp"

namespace zc::detail {

/// How a transfer ends at an error: EAGAIN is would_block, ECANCELED is cancelled.
inline void end_at(transfer& done, std::error_code error, side where) noexcept {
  if (error == std::errc::operation_canceled) {
    done.reason = stop_reason::cancelled;
  } else if (error == std::errc::resource_unavailable_try_again) {
    done.reason = stop_reason::would_block;
  } else {
    done.reason = stop_reason::failed;
    done.error = error;
    done.side = where;
  }
}

}  // namespace zc::detail
