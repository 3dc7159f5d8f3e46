#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "status.hpp"

namespace file_server {

/// What one thread has done, for --metrics. Written on that thread, read on any.
class counts {
 public:
  using number = std::atomic<std::uint64_t>;
  static constexpr std::size_t first_code = 100;
  static constexpr std::size_t codes = 500;

  /// One writer: no instruction has to lock anything.
  static void add(number& to, std::uint64_t more = 1) noexcept {
    to.store(to.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }

  void answered(status code, std::uint64_t body_bytes) noexcept {
    const std::size_t at = static_cast<std::size_t>(code) - first_code;
    if (at < codes) add(by_code[at]);
    add(bytes, body_bytes);
  }

  number begun{0};  // connections
  number ended{0};
  number bytes{0};  // of bodies
  std::array<number, codes> by_code{};
};

}  // namespace file_server
