// HOST:PORT, as a user writes it.

#include "zc/host_port.hpp"

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "require.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  zc::host_port given;
  try {
    given = zc::host_port::parse(text);
  } catch (const std::invalid_argument&) {
    return 0;
  }
  require(zc::host_port::parse(zc::to_string(given)) == given, "it is what was parsed");
  const std::string port = std::to_string(given.port);
  require(text.ends_with(port), "the port is the last word");
  require(text.find(given.host) != std::string::npos, "the host is a part of it");
  return 0;
}
