#include "../examples/terminal/printable.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

TEST_SUITE_BEGIN("unit");

namespace {

using terminal::printable;

char tail_of(char32_t code, unsigned shift) {
  return static_cast<char>(0x80 | (code >> shift & 0x3f));
}

/// A character from U+0080 to U+FFFF.
std::string utf_8(char32_t code) {
  if (code < 0x800) return {static_cast<char>(0xc0 | code >> 6), tail_of(code, 0)};
  return {static_cast<char>(0xe0 | code >> 12), tail_of(code, 6), tail_of(code, 0)};
}

/// Every byte of it escaped.
std::string escaped(const std::string& bytes) {
  constexpr const char* digits = "0123456789ABCDEF";
  std::string text;
  for (const char each : bytes) {
    const auto byte = static_cast<unsigned char>(each);
    text += {'\\', 'x', digits[byte / 16], digits[byte % 16]};
  }
  return text;
}

}  // namespace

TEST_CASE("printable: text in any language stays as it is") {
  for (const std::string text :
       {"", "plain ~ text \"'", "gr\u00fc\u00dfe", "\u00a0\u00ff", "\u65e5\u672c\u8a9e",
        "\u05e9\u05dc\u05d5\u05dd", "\U0001f600", "\U0010ffff", "\ue000", "a\u200db"}) {
    CAPTURE(text);
    CHECK(printable(text) == text);
  }
}

TEST_CASE("printable: what commands a terminal, ends a line or turns its direction is escaped") {
  for (int byte = 0; byte < 0x20; ++byte) {
    const std::string control(1, static_cast<char>(byte));
    CHECK(printable(control) == escaped(control));
  }
  CHECK(printable("a\x1b[31m\n") == "a\\x1B[31m\\x0A");
  CHECK(printable("\x7f") == "\\x7F");
  CHECK(printable("a\\x41") == "a\\x5Cx41");
  for (char32_t code = 0x80; code <= 0x9f; ++code) {
    CHECK(printable(utf_8(code)) == escaped(utf_8(code)));
  }
  for (const char32_t code : std::u32string_view(U"\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c"
                                                 U"\u202d\u202e\u2066\u2067\u2068\u2069")) {
    CAPTURE(static_cast<unsigned long>(code));
    CHECK(printable("a" + utf_8(code) + "b") == "a" + escaped(utf_8(code)) + "b");
  }
}

TEST_CASE("printable: what is no UTF-8 is escaped byte by byte, and what follows is not lost") {
  for (const std::string bytes :
       {"\x80", "\x9b", "\xbf", "\xc0\x80", "\xc1\xbf", "\xff", "\xfe", "\xf5\x80\x80\x80",
        "\xe0\x80\x80", "\xe0\x9f\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xc3", "\xe2\x82", "\xf0\x9f\x98"}) {
    CAPTURE(escaped(bytes));
    CHECK(printable(bytes) == escaped(bytes));
    CHECK(printable(bytes + "z") == escaped(bytes) + "z");
  }
  // Half a character before a whole one, and before a command.
  CHECK(printable("\xe2\xc3\xbc") == "\\xE2\u00fc");
  CHECK(printable("\xe2\x1b]0;x\x07") == "\\xE2\\x1B]0;x\\x07");
}

TEST_CASE("printable: between quotes there is nothing but ASCII") {
  std::string line = "before ";
  terminal::add_printable(line, "/a b\"\\\u00fc\x9b~", terminal::charset::quotable_ascii);
  CHECK(line == "before /a b\\x22\\x5C\\xC3\\xBC\\x9B~");
}

TEST_SUITE_END();
