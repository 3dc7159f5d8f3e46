#include <doctest/doctest.h>

#include <array>
#include <ctime>
#include <limits>
#include <string>
#include <string_view>

#include "../examples/file_server/clock.hpp"
#include "../examples/file_server/date.hpp"

TEST_SUITE_BEGIN("unit");

namespace {

using file_server::parse_date;
using file_server::seconds;

constexpr seconds rfc_example = 784'111'777;  // as in RFC 9110, section 5.6.7
constexpr seconds in_2026 = 1'790'000'000;

std::string date(seconds when) {
  std::array<char, file_server::date_bytes> memory{};
  file_server::text to(memory);
  file_server::add_date(to, when);
  return std::string(to.view());
}

}  // namespace

TEST_CASE("file_server: a date is written as an IMF-fixdate") {
  CHECK(date(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK(date(rfc_example) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(date(951'782'399) == "Mon, 28 Feb 2000 23:59:59 GMT");
  CHECK(date(951'782'400) == "Tue, 29 Feb 2000 00:00:00 GMT");
  CHECK(date(-1) == "Wed, 31 Dec 1969 23:59:59 GMT");
}

TEST_CASE("file_server: a year that has no four digits becomes the nearest that has") {
  CHECK(date(std::numeric_limits<seconds>::max()) == "Fri, 31 Dec 9999 23:59:59 GMT");
  CHECK(date(std::numeric_limits<seconds>::min()) == "Sat, 01 Jan 0000 00:00:00 GMT");
}

TEST_CASE("file_server: a date is read in each of the three forms") {
  for (const std::string_view form :
       {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994"}) {
    CAPTURE(form);
    CHECK(parse_date(form, in_2026) == rfc_example);
  }
  CHECK(parse_date("Wed Nov 16 08:49:37 1994", in_2026) == rfc_example + 10 * 86'400);
}

TEST_CASE("file_server: a year of two digits is less than fifty years ahead") {
  CHECK(date(*parse_date("Friday, 06-Nov-75 00:00:00 GMT", in_2026)) ==
        "Wed, 06 Nov 2075 00:00:00 GMT");
  CHECK(date(*parse_date("Saturday, 06-Nov-76 00:00:00 GMT", in_2026)) ==
        "Sat, 06 Nov 1976 00:00:00 GMT");
}

TEST_CASE("file_server: what was written is read as the same second") {
  // A step that meets all times of day, days and months in time.
  for (seconds when = -60'000'000'000; when < 250'000'000'000; when += 86'400 * 97 + 3'671) {
    if (parse_date(date(when), in_2026) == when) continue;
    CAPTURE(when);
    FAIL_CHECK(date(when));
  }
}

TEST_CASE("file_server: what is no date is not taken for one") {
  for (const std::string_view text :
       {"", "0", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ", " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT", "Sun, 06 Nov 1994 08:00:61 GMT",
        "sun, 06 nov 1994 08:49:37 gmt", "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun, 06 Nov 199/ 08:49:37 GMT", "Sun Nov 6 08:49:37 1994",
        "Sun, 06-Nov-94 08:49:37 GMT"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_date(text, in_2026));
  }
}

TEST_CASE("file_server: the clock's date is that of its second") {
  file_server::clock clock;
  const seconds before = std::time(nullptr);
  clock.look();
  CHECK(clock.now() >= before - 1);
  CHECK(clock.date() == date(clock.now()));
}

TEST_SUITE_END();
