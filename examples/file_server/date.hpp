#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "text.hpp"

namespace file_server {

/// Seconds since 1970, UTC, without leap seconds.
using seconds = std::int64_t;

/// How long an IMF-fixdate is: `Sun, 06 Nov 1994 08:49:37 GMT`.
inline constexpr std::size_t date_bytes = 29;

/// Adds `when` as an IMF-fixdate (RFC 9110, section 5.6.7), in no locale. Years are 0 to 9999: what
/// is beyond becomes the nearest of these.
void add_date(text& to, seconds when);

/// A date in any of the three forms that RFC 9110 has servers accept: IMF-fixdate, RFC 850's and
/// asctime(3)'s; nothing for any other text. Names of days are not compared with the date. A year
/// of two digits is the one that is less than 50 years after `now`.
std::optional<seconds> parse_date(std::string_view text, seconds now) noexcept;

}  // namespace file_server
