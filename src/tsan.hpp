#pragma once

// ThreadSanitizer cannot see ordering that passes through the kernel: what a coroutine wrote before
// it submitted an op happens before what a kernel thread, or the reaper, does with its completion.

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ZC_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define ZC_TSAN 1
#endif

#ifdef ZC_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace zc::detail {

inline void tsan_release([[maybe_unused]] void* at) noexcept {
#ifdef ZC_TSAN
  __tsan_release(at);
#endif
}

inline void tsan_acquire([[maybe_unused]] void* at) noexcept {
#ifdef ZC_TSAN
  __tsan_acquire(at);
#endif
}

/// Stands for the mappings of all rings. liburing maps and unmaps without the C library, so that
/// ThreadSanitizer takes a new ring for an old one, perhaps of another thread, at its address.
inline char tsan_ring_memory;

}  // namespace zc::detail
