#pragma once

#include <cstdint>
#include <string_view>

namespace zc::detail {

/// `HOST:PORT` taken apart. Refers to the text.
struct split_text {
  std::string_view host;  // without brackets
  bool in_brackets = false;
  std::uint16_t port = 0;
};

/// Takes `HOST:PORT` or `[HOST]:PORT` apart; HOST without brackets has no colon, and may be empty.
/// Throws std::invalid_argument.
split_text split_host_port(std::string_view text);

/// Throws std::invalid_argument with the text and what is wrong with it.
[[noreturn]] void refuse_text(std::string_view text, const char* why);

}  // namespace zc::detail
