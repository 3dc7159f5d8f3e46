#include "head_scan.hpp"

namespace file_server {

head_scan::verdict head_scan::look(std::string_view bytes) noexcept {
  for (;;) {
    const std::size_t newline = bytes.find('\n', seen_);
    if (newline == std::string_view::npos) {
      seen_ = bytes.size();
      return verdict::incomplete;
    }
    const std::string_view line = bytes.substr(line_, newline - line_);
    const bool first = line_ == 0;
    seen_ = line_ = newline + 1;
    if (first) first_line_ = line_;
    if (!line.ends_with('\r')) return verdict::malformed;
    if (line.size() == 1) return verdict::complete;
    const bool folded = line.front() == ' ' || line.front() == '\t';
    if (folded && !first) return verdict::malformed;
  }
}

}  // namespace file_server
