#pragma once

// ThreadSanitizer knows nothing of io_uring, and need not: an op is submitted and taken back on one
// thread, and what the kernel does in between it does not watch.

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

#include <cstddef>

namespace zc::detail {

/// For memory that liburing has just mapped, or is about to unmap, without the C library: so that
/// ThreadSanitizer does not take a new ring for an old one, perhaps of another thread, that was at
/// the same address. Page by page, as the old one need not have been of the same size.
inline void tsan_mapped([[maybe_unused]] void* at, [[maybe_unused]] std::size_t size) noexcept {
#ifdef ZC_TSAN
  for (std::size_t page = 0; page < size; page += 4096) {
    __tsan_acquire(static_cast<char*>(at) + page);
  }
#endif
}

inline void tsan_unmapped([[maybe_unused]] void* at, [[maybe_unused]] std::size_t size) noexcept {
#ifdef ZC_TSAN
  for (std::size_t page = 0; page < size; page += 4096) {
    __tsan_release(static_cast<char*>(at) + page);
  }
#endif
}

}  // namespace zc::detail
