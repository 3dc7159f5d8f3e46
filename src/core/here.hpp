#pragma once

#include "zc/detail/scheduler.hpp"

namespace zc::detail {

/// The scheduler that is running on this thread, or null. A thread-local, as
/// zc::scope::spawn() is an ordinary call, so no awaiting coroutine hands it a context.
///
/// Every op asks for it: so in the part of a thread's memory that takes no call to find. Where the
/// library is loaded late, by dlopen(3), the C library has room for that.
extern constinit thread_local scheduler* current_scheduler
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

[[noreturn, gnu::cold]] void resumed_elsewhere() noexcept;

/// scheduler::require_here(), for what is done once per op.
inline void require_here(const scheduler* where) noexcept {
  if (current_scheduler != where) [[unlikely]]
    resumed_elsewhere();
}

}  // namespace zc::detail
