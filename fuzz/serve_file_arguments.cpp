// [IPV4-ADDRESS:]PORT, as a user of serve_file writes it.

#include "../examples/serve_file_arguments.hpp"

#include <arpa/inet.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

#include "require.hpp"

namespace {

serve_file_arguments parse(const std::string& where) {
  const std::array<const char*, 3> words{"serve_file", "file", where.c_str()};
  return parse_serve_file_arguments(3, words.data());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  serve_file_arguments given{};
  try {
    given = parse(text);
  } catch (const std::invalid_argument&) {
    return 0;
  }
  std::array<char, INET_ADDRSTRLEN> host{};
  ::inet_ntop(AF_INET, &given.where.sin_addr, host.data(), host.size());
  const std::string port = std::to_string(ntohs(given.where.sin_port));
  const serve_file_arguments again = parse(host.data() + (":" + port));
  require(std::memcmp(&given.where, &again.where, sizeof given.where) == 0,
          "an address is what was parsed");
  const std::string written = text.substr(0, text.find('\0'));  // as any program sees it
  require(written.size() >= port.size() && written.ends_with(port), "the port is the last word");
  return 0;
}
