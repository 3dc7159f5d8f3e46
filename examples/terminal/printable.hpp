#pragma once

#include <string>
#include <string_view>

/// What strangers choose (names, requests, a peer's reasons) on the way to people and their
/// programs.
namespace terminal {

enum class charset {
  utf_8,           // text in any language
  quotable_ascii,  // what can stand between quotes on one line of a log
};

/// Adds `raw` so that it can neither command a terminal nor pass for something else: each byte of
/// control characters (C0, DEL and C1), of what ends a line or turns its direction, of backslashes
/// and of what is no UTF-8 as `\x1B`. With quotable_ascii also quotes and all that is not ASCII.
/// What is added is valid UTF-8, and tells `raw` byte for byte.
void add_printable(std::string& to, std::string_view raw, charset what = charset::utf_8);

std::string printable(std::string_view raw);

}  // namespace terminal
