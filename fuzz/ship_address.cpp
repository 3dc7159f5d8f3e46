// HOST:PORT, as a user writes it. What those stand for is the C library's to say.

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "../examples/ship/address.hpp"
#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  ship::host_and_port found;
  try {
    found = ship::split(text);
  } catch (const std::invalid_argument&) {
    require(text.find(':') == std::string::npos || text.back() == ':' ||
                text.find(':') != text.rfind(':'),
            "one colon with something behind it is enough");
    return 0;
  }
  require(!found.port.empty() && found.port.find(':') == std::string::npos, "a port is a word");
  const bool plain = text == found.host + ":" + found.port;
  const bool in_brackets = text == "[" + found.host + "]:" + found.port;
  require(plain || in_brackets, "host and port are what was written");
  require(in_brackets || found.host.find(':') == std::string::npos,
          "colons in a host are in brackets");
  return 0;
}
