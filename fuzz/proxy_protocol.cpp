// The first bytes of a connection, which anybody may have sent.

#include "../examples/server/proxy_protocol.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "require.hpp"

namespace proxy = server::proxy_protocol;

namespace {

bool same(const proxy::endpoints& one, const proxy::endpoints& other) {
  return one.source == other.source && one.destination == other.destination;
}

bool same(const proxy::header& one, const proxy::header& other) {
  if (one.size_bytes != other.size_bytes || one.about.has_value() != other.about.has_value()) {
    return false;
  }
  return !one.about || same(*one.about, *other.about);
}

void is_encoded_and_understood(const proxy::endpoints& ends) {
  for (const proxy::version as : {proxy::version::v1, proxy::version::v2}) {
    const std::string bytes = proxy::encode(as, ends);
    const std::optional<proxy::header> again = proxy::parse(bytes + "payload");
    require(again && again->size_bytes == bytes.size(), "a header ends where its payload begins");
    require(again->about && same(*again->about, ends), "a header says what was told");
  }
}

/// Whether the beginning is refused; else what it tells, if it does.
bool is_refused(std::string_view begin, std::optional<proxy::header>& told) {
  try {
    told = proxy::parse(begin);
    return false;
  } catch (const proxy::malformed&) {
    return true;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::optional<proxy::header> known;
  for (std::size_t i = 0; i <= size && i <= proxy::telling_bytes + 1; ++i) {
    std::optional<proxy::header> told;
    if (is_refused(bytes.substr(0, i), told)) {
      require(!known, "what was understood stays so, with more bytes");
      return 0;
    }
    require(told || i < proxy::telling_bytes, "so many bytes tell");
    if (known) require(told && same(*told, *known), "what was told stays so, with more bytes");
    known = told;
  }
  if (known && known->about) is_encoded_and_understood(*known->about);
  return 0;
}
