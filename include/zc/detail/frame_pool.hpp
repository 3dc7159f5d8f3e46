#pragma once

#include <array>
#include <cstddef>
#include <new>

#include "zc/detail/cpp20.hpp"
#include "zc/detail/export.hpp"

namespace zc::detail {

/// Keeps the memory of coroutine frames that have ended for those that come next.
///
/// One thread. What it hands out is from the global operator new, so that any frame may be given to
/// any pool or to none: where one ends need not be where it began. Under AddressSanitizer and
/// valgrind it keeps nothing, so that they see a frame used after its end.
class ZC_API frame_pool {
 public:
  /// Most that is kept. A transfer's frames are 1.8 KiB together at most: it is those of 140
  /// transfers.
  static constexpr std::size_t limit_bytes = 256 * 1024;

  frame_pool() noexcept = default;
  frame_pool(const frame_pool&) = delete;
  frame_pool& operator=(const frame_pool&) = delete;
  ~frame_pool() { clear(); }

  void* take(std::size_t size) {
    if (size > largest) return allocate(size);
    free_frame*& first = free_[class_of(size)];
    if (first == nullptr) return allocate(size);
    free_frame* const taken = first;
    first = taken->next;
    kept_bytes_ -= rounded(size);
    return taken;
  }

  void give(void* frame, std::size_t size) noexcept {
    if (size > largest || !keeps_) {
      release(frame);
      return;
    }
    // What fills it may be of sizes that nobody asks for any more.
    if (kept_bytes_ + rounded(size) > limit_bytes) clear();
    free_frame*& first = free_[class_of(size)];
    first = new (frame) free_frame{first};
    kept_bytes_ += rounded(size);
  }

  static void* allocate(std::size_t size) { return ::operator new(rounded(size)); }
  static void release(void* frame) noexcept { ::operator delete(frame); }

  std::size_t kept_bytes() const noexcept { return kept_bytes_; }

  /// False where it keeps nothing.
  static bool keeps() noexcept;

 private:
  struct free_frame {
    free_frame* next;
  };
  static constexpr std::size_t step = 64;
  static constexpr std::size_t largest = 4096;

  static constexpr std::size_t class_of(std::size_t size) noexcept { return (size - 1) / step; }
  static constexpr std::size_t rounded(std::size_t size) noexcept {
    return (size + step - 1) / step * step;
  }
  void clear() noexcept;

  std::array<free_frame*, largest / step> free_{};
  std::size_t kept_bytes_ = 0;
  bool keeps_ = keeps();
};

}  // namespace zc::detail
