#include <algorithm>

#include "wire.hpp"

namespace ship::wire {

bool is_temporary_name(std::string_view name) {
  constexpr std::string_view beginning = ".ship-";
  constexpr std::size_t secret_digits = 16;
  if (!name.starts_with(beginning)) return false;
  name.remove_prefix(beginning.size());
  const std::string_view secret = name.substr(0, secret_digits);
  if (secret.size() < secret_digits ||
      secret.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return false;
  }
  const std::string_view number = name.substr(secret_digits);
  return number.empty() || (number.size() > 1 && number.front() == '-' &&
                            number.find_first_not_of("0123456789", 1) == std::string_view::npos);
}

void check_path(std::string_view path) {
  if (path.empty()) throw protocol_error("an empty path");
  if (path.size() > path_limit_bytes) throw protocol_error("a path is too long");
  if (path.find('\0') != std::string_view::npos) throw protocol_error("a path holds a zero byte");
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty()) throw protocol_error("a path is absolute or has an empty part");
    if (part == "." || part == "..") throw protocol_error("a path has a part that is . or ..");
    if (is_temporary_name(part)) throw protocol_error("a path has a temporary name");
    begin = end + 1;
  }
}

}  // namespace ship::wire
