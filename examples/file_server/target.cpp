#include "target.hpp"

#include <algorithm>
#include <cstddef>

#include "ascii.hpp"

namespace file_server {

namespace {

/// `raw` without the scheme and the host that a proxy would be sent. Nothing for other forms.
std::optional<std::string_view> origin_form(std::string_view raw) noexcept {
  if (raw.starts_with('/')) return raw;
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!equal_but_for_case(raw.substr(0, scheme.size()), scheme)) continue;
    const std::string_view rest = raw.substr(scheme.size());
    const std::size_t host_end = std::min(rest.find_first_of("/?#"), rest.size());
    if (host_end == 0) return {};
    return rest.substr(host_end);
  }
  return {};
}

int hex_digit(char one) noexcept {
  if (one >= '0' && one <= '9') return one - '0';
  if (one >= 'a' && one <= 'f') return one - 'a' + 10;
  if (one >= 'A' && one <= 'F') return one - 'A' + 10;
  return -1;
}

/// False for a bad escape or a zero byte.
bool unescape(std::string_view raw, std::string& into) {
  into.clear();
  into.reserve(raw.size());
  while (!raw.empty()) {
    char next = raw.front();
    std::size_t taken = 1;
    if (next == '%') {
      const int high = raw.size() > 2 ? hex_digit(raw[1]) : -1;
      const int low = raw.size() > 2 ? hex_digit(raw[2]) : -1;
      if (high < 0 || low < 0) return false;
      next = static_cast<char>(high * 16 + low);
      taken = 3;
    }
    if (next == '\0') return false;
    into.push_back(next);
    raw.remove_prefix(taken);
  }
  return true;
}

/// Makes `path` what target::path is, in place. False where it leads above the root.
bool normalise(std::string& path, bool& names_directory) noexcept {
  std::size_t kept = 0;
  std::size_t at = 0;
  while (at < path.size()) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part(path.data() + at, end - at);
    names_directory = end < path.size() || part == "." || part == "..";
    if (part == "..") {
      if (kept == 0) return false;
      const std::size_t before = path.rfind('/', kept - 1);
      kept = before == std::string::npos ? 0 : before;
    } else if (!part.empty() && part != ".") {
      if (kept > 0) path[kept++] = '/';
      std::copy(part.begin(), part.end(), path.begin() + static_cast<std::ptrdiff_t>(kept));
      kept += part.size();
    }
    at = end + 1;
  }
  path.resize(kept);
  return true;
}

bool needs_no_escape(char one) noexcept {
  return is_letter(one) || is_digit(one) ||
         std::string_view("-._~!$&'()*+,;=:@/").find(one) != std::string_view::npos;
}

}  // namespace

std::optional<status> parse_target(std::string_view raw, target& into) {
  const std::optional<std::string_view> asked = origin_form(raw);
  if (!asked) return status::bad_request;
  const std::string_view whole = asked->substr(0, asked->find('#'));
  const std::size_t path_bytes = std::min(whole.find('?'), whole.size());
  into.query = whole.substr(path_bytes);
  into.names_directory = true;  // of an empty path
  if (!unescape(whole.substr(0, path_bytes), into.path)) return status::bad_request;
  if (!normalise(into.path, into.names_directory)) return status::bad_request;
  return {};
}

void add_escaped(text& to, std::string_view path) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char each : path) {
    if (needs_no_escape(each)) {
      to.add(each);
    } else {
      const auto code = static_cast<unsigned char>(each);
      to.add('%', digits[code / 16], digits[code % 16]);
    }
  }
}

}  // namespace file_server
