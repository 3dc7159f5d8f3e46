#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "wire.hpp"

/// How numbers are put into frames and taken out of them.
namespace ship::wire {

template <std::unsigned_integral T>
void put(std::string& to, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    to.push_back(static_cast<char>(static_cast<unsigned char>(value >> (8 * i))));
  }
}

/// Takes bytes off the front of what came in; running out of them is the peer's fault.
class reader {
 public:
  explicit reader(std::string_view bytes) : left_(bytes) {}

  std::string_view take(std::size_t count) {
    if (count > left_.size()) throw protocol_error("a frame is shorter than what it should hold");
    const std::string_view taken = left_.substr(0, count);
    left_.remove_prefix(count);
    return taken;
  }

  template <std::unsigned_integral T>
  T number() {
    std::uint64_t value = 0;
    const std::string_view bytes = take(sizeof(T));
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    }
    return static_cast<T>(value);
  }

  bool at_end() const { return left_.empty(); }

  void expect_end() const {
    if (!at_end()) throw protocol_error("a frame is longer than what it holds");
  }

 private:
  std::string_view left_;
};

}  // namespace ship::wire
