#pragma once

/// Which of clang's sanitizers this is built with: some need what a test takes away.
///
/// UBSan, which goes with ASan here, looks at objects through a pipe: where there is no descriptor
/// left for one it finds fault with every virtual call.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ZC_TEST_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define ZC_TEST_TSAN 1
#endif
#endif
