#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace file_server {

// In no locale, as <cctype> is in one.

constexpr bool is_digit(char one) noexcept { return one >= '0' && one <= '9'; }

constexpr bool is_letter(char one) noexcept {
  return (one >= 'a' && one <= 'z') || (one >= 'A' && one <= 'Z');
}

constexpr char lower(char one) noexcept {
  return one >= 'A' && one <= 'Z' ? static_cast<char>(one - 'A' + 'a') : one;
}

constexpr bool equal_but_for_case(std::string_view one, std::string_view other) noexcept {
  return std::ranges::equal(one, other, [](char a, char b) { return lower(a) == lower(b); });
}

/// Without the spaces and tabs at both ends.
constexpr std::string_view trim(std::string_view all) noexcept {
  const std::size_t first = all.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return all.substr(first, all.find_last_not_of(" \t") - first + 1);
}

}  // namespace file_server
