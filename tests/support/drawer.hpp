#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>

namespace support {

/// What random plans are drawn from: the same for the same numbers.
class drawer {
 public:
  drawer(std::uint64_t seed, std::uint64_t step) {
    std::seed_seq mixed{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                        static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32)};
    random_.seed(mixed);
  }
  explicit drawer(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t limit) { return limit == 0 ? 0 : random_() % limit; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }
  template <class Some>
  auto pick(const Some& from) {
    return from[below(from.size())];
  }

  /// On, below or above a page, a pipe, a bounce; the larger, the rarer.
  std::uint64_t size() {
    static constexpr std::array<std::uint64_t, 17> sizes{
        0,      0,      1,      2,       1447,    4095,    4096,    4097,         16'384,
        65'535, 65'536, 65'537, 262'143, 262'145, 300'001, 1 << 20, (1 << 20) + 1};
    return sizes[std::min(below(sizes.size()), below(sizes.size()))];
  }

  /// A length of time that may be about as long as what it disturbs.
  std::uint32_t microseconds() {
    static constexpr std::array<std::uint64_t, 4> scales{50, 500, 3000, 20'000};
    return static_cast<std::uint32_t>(1 + below(pick(scales)));
  }

  /// How much at a time.
  std::uint32_t piece() {
    static constexpr std::array<std::uint32_t, 8> usual{1,    7,    536,    1448,
                                                        4096, 5000, 30'000, 65'536};
    return pick(usual);
  }

  /// The same, so that `size` takes no more than some thousand times.
  std::uint32_t piece(std::uint64_t size) {
    return std::max(piece(), static_cast<std::uint32_t>(size / 2000));
  }

  /// A pause after each of them, so that all pauses together are some ten milliseconds.
  std::uint32_t pause(std::uint64_t size, std::uint32_t piece) {
    const std::uint64_t most = 40'000 / (size / std::min(piece, 1024u) + 1);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(microseconds(), most));
  }

  /// The size of a pipe, or of a socket's buffers: 0 for as they come. TCP's that are small take
  /// some 40 KB/s, whoever fills them.
  std::uint32_t buffer(std::uint64_t size) {
    static constexpr std::array<std::uint32_t, 4> usual{4096, 8192, 16'384, 100'000};
    if (!one_in(4)) return 0;
    return std::max(pick(usual), static_cast<std::uint32_t>(size / 16));
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace support
