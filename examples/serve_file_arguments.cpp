#include "serve_file_arguments.hpp"

#include <arpa/inet.h>

#include <charconv>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

serve_file_arguments parse_serve_file_arguments(int argc, const char* const* argv) {
  if (argc != 3) throw std::invalid_argument("usage: serve_file FILE [IPV4-ADDRESS:]PORT");
  const std::string_view text = argv[2];
  const std::size_t colon = text.find(':');
  const bool has_host = colon != std::string_view::npos;
  const std::string host(has_host ? text.substr(0, colon) : "127.0.0.1");
  const std::string_view port_text = has_host ? text.substr(colon + 1) : text;

  serve_file_arguments given{argv[1], {}};
  given.where.sin_family = AF_INET;
  if (::inet_pton(AF_INET, host.c_str(), &given.where.sin_addr) != 1) {
    throw std::invalid_argument(host + ": not an IPv4 address");
  }
  std::uint16_t port = 0;
  const char* const end = port_text.data() + port_text.size();
  const auto [parsed_to, error] = std::from_chars(port_text.data(), end, port);
  if (error != std::errc() || parsed_to != end) {
    throw std::invalid_argument(std::string(port_text) + ": not a port");
  }
  given.where.sin_port = htons(port);
  return given;
}
