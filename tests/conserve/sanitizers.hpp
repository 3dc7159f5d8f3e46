#pragma once

/// Which sanitizer this is built with: some need what a step takes away.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CONSERVE_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define CONSERVE_TSAN 1
#endif
#endif
