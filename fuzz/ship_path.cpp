// Paths that a peer sends: none may name what is not below the directory.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "../examples/ship/wire.hpp"
#include "require.hpp"

namespace {

bool stays_below(const std::string& text) {
  const std::filesystem::path path(text);
  // The last of `a/` is empty.
  return !text.empty() && path.is_relative() &&
         std::none_of(path.begin(), path.end(), [](const std::filesystem::path& part) {
           return part.empty() || part == "." || part == ".." ||
                  ship::wire::is_temporary_name(part.native());
         });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string path(reinterpret_cast<const char*>(data), size);
  bool accepted = true;
  try {
    ship::wire::check_path(path);
  } catch (const ship::wire::protocol_error&) {
    accepted = false;
  }
  const bool is_a_name =
      size <= ship::wire::path_limit_bytes && path.find('\0') == std::string::npos;
  // std::filesystem takes a//b for a/b, which is refused: nobody sends it.
  const bool is_plain = path.find("//") == std::string::npos;
  require(accepted == (is_a_name && is_plain && stays_below(path)),
          "a path is accepted where it is a plain one and stays below, and only there");
  return 0;
}
