#include "net/split_host_port.hpp"

#include <charconv>
#include <stdexcept>
#include <string>
#include <system_error>

namespace zc::detail {

namespace {

constexpr const char* no_port = "a port is missing: HOST:PORT or [IPV6]:PORT";

std::uint16_t port_of(std::string_view text, std::string_view digits) {
  std::uint16_t port = 0;
  const char* const end = digits.data() + digits.size();
  if (digits.empty()) refuse_text(text, no_port);
  const auto [parsed_to, error] = std::from_chars(digits.data(), end, port);
  if (error != std::errc() || parsed_to != end) {
    refuse_text(text, "the port is not a number from 0 to 65535");
  }
  return port;
}

split_text split_brackets(std::string_view text) {
  const std::size_t close = text.find(']');
  if (close == std::string_view::npos) refuse_text(text, "a bracket is not closed");
  if (close == 1) refuse_text(text, "nothing is in the brackets");
  const std::string_view rest = text.substr(close + 1);
  if (!rest.empty() && rest.front() != ':') refuse_text(text, "no port follows the brackets");
  return {text.substr(1, close - 1), true, port_of(text, rest.substr(rest.empty() ? 0 : 1))};
}

}  // namespace

void refuse_text(std::string_view text, const char* why) {
  throw std::invalid_argument(std::string(text) + ": " + why);
}

split_text split_host_port(std::string_view text) {
  // The C library would take what is before it for the whole; so does who prints it.
  const std::size_t zero = text.find('\0');
  if (zero != std::string_view::npos) refuse_text(text.substr(0, zero), "a zero byte follows");
  if (text.starts_with('[')) return split_brackets(text);
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) refuse_text(text, no_port);
  if (text.find(':', colon + 1) != std::string_view::npos) {
    refuse_text(text, "an IPv6 address goes in brackets: [IPV6]:PORT");
  }
  return {text.substr(0, colon), false, port_of(text, text.substr(colon + 1))};
}

}  // namespace zc::detail
