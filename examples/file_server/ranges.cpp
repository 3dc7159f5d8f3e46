#include "ranges.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "ascii.hpp"

namespace file_server {

namespace {

/// Digits alone; what is too large is the largest.
std::optional<std::uint64_t> number(std::string_view text) noexcept {
  if (text.empty() || !std::ranges::all_of(text, is_digit)) return {};
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec == std::errc::result_out_of_range) return std::numeric_limits<std::uint64_t>::max();
  return value;
}

bool touch(const byte_range& one, const byte_range& other) noexcept {
  // The ends are below a file's size: no sum is too large.
  return one.first <= other.last + 1 && other.first <= one.last + 1;
}

}  // namespace

byte_ranges::reading byte_ranges::read(std::string_view one, std::uint64_t file_bytes,
                                       byte_range& into) noexcept {
  const std::size_t dash = one.find('-');
  if (dash == std::string_view::npos) return reading::malformed;
  const std::string_view front = one.substr(0, dash);
  const std::string_view back = one.substr(dash + 1);
  const std::optional<std::uint64_t> last = number(back);
  if (!last && (!back.empty() || front.empty())) return reading::malformed;
  if (front.empty()) {  // the last so many
    if (file_bytes == 0) return reading::all;
    if (*last == 0) return reading::outside;
    into = {file_bytes - std::min(*last, file_bytes), file_bytes - 1};
    return reading::inside;
  }
  const std::optional<std::uint64_t> first = number(front);
  if (!first || (last && *last < *first)) return reading::malformed;
  // A proxy that fetches files in slices asks so for each, and passes a 416 on to who asked for
  // all.
  if (*first == 0 && file_bytes == 0) return reading::all;
  if (*first >= file_bytes) return reading::outside;
  into = {*first, std::min(last.value_or(file_bytes - 1), file_bytes - 1)};
  return reading::inside;
}

byte_ranges::byte_ranges(std::string_view field, std::uint64_t file_bytes) noexcept {
  constexpr std::string_view unit = "bytes=";
  if (!equal_but_for_case(field.substr(0, unit.size()), unit)) return;
  std::string_view rest = field.substr(unit.size());
  std::size_t read_count = 0;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view one = trim(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (one.empty()) continue;  // RFC 9110, section 5.6.1.2
    if (++read_count > limit) return;
    byte_range found{};
    const reading how = read(one, file_bytes, found);
    if (how == reading::malformed || how == reading::all) return;
    if (how == reading::inside) parts_[count_++] = found;
  }
  if (read_count == 0) return;
  if (overlap()) coalesce();
  kind_ = count_ > 0 ? kind::parts : kind::unsatisfiable;
}

bool byte_ranges::overlap() const noexcept {
  for (std::size_t at = 0; at < count_; ++at) {
    for (std::size_t other = at + 1; other < count_; ++other) {
      if (touch(parts_[at], parts_[other])) return true;
    }
  }
  return false;
}

void byte_ranges::coalesce() noexcept {
  std::sort(parts_.begin(), parts_.begin() + static_cast<std::ptrdiff_t>(count_),
            [](const byte_range& a, const byte_range& b) { return a.first < b.first; });
  std::size_t kept = 0;
  for (std::size_t at = 1; at < count_; ++at) {
    if (touch(parts_[kept], parts_[at])) {
      parts_[kept].last = std::max(parts_[kept].last, parts_[at].last);
    } else {
      parts_[++kept] = parts_[at];
    }
  }
  count_ = kept + 1;
}

}  // namespace file_server
