#include "zc/detail/frame_pool.hpp"

#include <utility>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ZC_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ZC_ASAN 1
#endif

#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif

namespace zc::detail {

bool frame_pool::keeps() noexcept {
#ifdef ZC_ASAN
  return false;
#elif defined(VALGRIND_GET_VBITS)
  char defined = 0;
  const char byte = 0;
  return VALGRIND_GET_VBITS(&byte, &defined, 1) == 0;  // which only memcheck answers
#else
  return true;
#endif
}

void frame_pool::clear() noexcept {
  for (free_frame*& first : free_) {
    while (first != nullptr) release(std::exchange(first, first->next));
  }
  kept_bytes_ = 0;
}

}  // namespace zc::detail
