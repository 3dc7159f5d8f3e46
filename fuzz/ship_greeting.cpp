// The first bytes of a connection, at either end of it.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "../examples/ship/wire.hpp"
#include "require.hpp"

namespace wire = ship::wire;

namespace {

void greet(std::span<const char, wire::hello_size_bytes> bytes) {
  wire::hello hello;
  try {
    hello = wire::parse_hello(bytes);
  } catch (const wire::protocol_error&) {
    return;
  }
  require(hello.connections >= 1 && hello.connections <= wire::connection_limit,
          "connections are within their limit");
  std::string again;
  wire::append(again, hello);
  require(again == std::string_view(bytes.data(), bytes.size()), "a hello is what was parsed");
}

void welcome(std::span<const char, wire::welcome_size_bytes> bytes) {
  wire::welcome parsed;
  try {
    parsed = wire::parse_welcome(bytes);
  } catch (const wire::protocol_error&) {
    return;
  }
  std::string again;
  wire::append(again, parsed);
  // Of another version only the number is read.
  require((parsed.verdict == wire::verdict::other_version) || parsed.version == wire::version,
          "what another version says is not taken for more than its number");
  const bool same = again == std::string_view(bytes.data(), bytes.size());
  require(same || parsed.version != wire::version, "a welcome is what was parsed");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const char> bytes(reinterpret_cast<const char*>(data), size);
  if (size >= wire::hello_size_bytes) greet(bytes.first<wire::hello_size_bytes>());
  if (size >= wire::welcome_size_bytes) welcome(bytes.first<wire::welcome_size_bytes>());
  return 0;
}
