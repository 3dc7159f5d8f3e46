#include "terminal/printable.hpp"

#include <array>
#include <cstddef>

namespace terminal {

namespace {

struct character {
  char32_t code = 0;
  std::size_t size_bytes = 0;  // 0: the bytes are no character
};

struct range {
  char32_t first;
  char32_t last;
};

// Marks of direction make a name read as another; separators end a line.
constexpr std::array<range, 6> unprintable{{
    {0x00, 0x1f},
    {0x7f, 0x9f},
    {0x61c, 0x61c},
    {0x200e, 0x200f},
    {0x2028, 0x202e},
    {0x2066, 0x206f},
}};

unsigned at(std::string_view text, std::size_t i) { return static_cast<unsigned char>(text[i]); }

/// How many bytes a character has that begins so; 0 for what begins none.
std::size_t size_of(unsigned lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xc2) return 0;  // the middle of another, or a longer way to write an ASCII character
  if (lead < 0xe0) return 2;
  if (lead < 0xf0) return 3;
  return lead < 0xf5 ? 4 : 0;
}

/// The first character of what is not empty.
character first_of(std::string_view text) {
  const unsigned lead = at(text, 0);
  const std::size_t size = size_of(lead);
  if (size < 2) return {lead, size};
  if (size > text.size()) return {};
  char32_t code = lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((at(text, i) & 0xc0U) != 0x80) return {};
    code = code << 6U | (at(text, i) & 0x3fU);
  }
  const bool too_long = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  const bool no_character = (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff;
  if (too_long || no_character) return {};
  return {code, size};
}

bool is_plain(char32_t code, charset what) {
  if (code == '\\') return false;
  if (what == charset::quotable_ascii) return code >= ' ' && code <= '~' && code != '"';
  for (const range& each : unprintable) {
    if (code >= each.first && code <= each.last) return false;
  }
  return true;
}

void add_escaped(std::string& to, std::string_view bytes) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    to += "\\x";
    to.push_back(digits[at(bytes, i) / 16]);
    to.push_back(digits[at(bytes, i) % 16]);
  }
}

}  // namespace

void add_printable(std::string& to, std::string_view raw, charset what) {
  while (!raw.empty()) {
    const character next = first_of(raw);
    const std::string_view bytes = raw.substr(0, next.size_bytes == 0 ? 1 : next.size_bytes);
    if (next.size_bytes > 0 && is_plain(next.code, what)) {
      to += bytes;
    } else {
      add_escaped(to, bytes);
    }
    raw.remove_prefix(bytes.size());
  }
}

std::string printable(std::string_view raw) {
  std::string shown;
  add_printable(shown, raw);
  return shown;
}

}  // namespace terminal
