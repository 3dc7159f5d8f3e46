// A Range field, of a file whose size is the first line: what is sent is in the file, once.

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "../examples/file_server/ranges.hpp"
#include "require.hpp"

using file_server::byte_range;
using file_server::byte_ranges;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t line = std::min(all.find('\n'), all.size());
  std::uint64_t file_bytes = 0;
  std::from_chars(all.data(), all.data() + line, file_bytes);
  // As large as a file can be.
  file_bytes = std::min<std::uint64_t>(file_bytes, std::numeric_limits<std::int64_t>::max());
  const byte_ranges found(all.substr(std::min(line + 1, all.size())), file_bytes);
  if (found.asked_for() != byte_ranges::kind::parts) return 0;
  require(!found.parts().empty(), "there is a part");
  require(found.parts().size() <= byte_ranges::limit, "there are not too many parts");
  std::uint64_t sum = 0;
  for (const byte_range& each : found.parts()) {
    require(each.first <= each.last && each.last < file_bytes, "a part is in the file");
    sum += each.size();
    for (const byte_range& other : found.parts()) {
      const bool apart = each.last < other.first || other.last < each.first;
      require(&each == &other || apart, "no two parts overlap");
    }
  }
  require(sum <= file_bytes, "all parts are no more than the file");
  return 0;
}
