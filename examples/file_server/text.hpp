#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string_view>

namespace file_server {

/// A number as hexadecimal digits, for text::add().
struct hex {
  std::uint64_t value;
};

/// Text that is put together in memory of somebody else's. Allocates nothing.
class text {
 public:
  explicit text(std::span<char> memory) noexcept : memory_(memory) {}

  /// Strings, characters, numbers and hex(), one after the other. Throws std::length_error where
  /// they do not fit.
  template <class... Parts>
  text& add(const Parts&... parts) {
    (put(parts), ...);
    return *this;
  }

  std::string_view view() const noexcept { return {memory_.data(), size_}; }
  std::size_t size() const noexcept { return size_; }
  void clear() noexcept { size_ = 0; }

  /// The memory behind the text, and to make what was written there a part of it.
  std::span<char> room() const noexcept { return memory_.subspan(size_); }
  void grow(std::size_t count) noexcept { size_ += count; }

 private:
  void put(std::string_view part) {
    if (part.size() > room().size()) fail();
    if (part.empty()) return;  // of nothing, not even the place is to be looked at
    std::memcpy(room().data(), part.data(), part.size());
    size_ += part.size();
  }
  void put(char one) { put(std::string_view(&one, 1)); }
  template <std::integral Number>
  void put(Number number) {
    put_digits(number, 10);
  }
  void put(hex number) { put_digits(number.value, 16); }

  template <class Number>
  void put_digits(Number number, int base) {
    const auto [end, error] =
        std::to_chars(room().data(), room().data() + room().size(), number, base);
    if (error != std::errc()) fail();
    size_ = static_cast<std::size_t>(end - memory_.data());
  }
  [[noreturn]] static void fail() { throw std::length_error("a text is too long for its memory"); }

  std::span<char> memory_;
  std::size_t size_ = 0;
};

}  // namespace file_server
