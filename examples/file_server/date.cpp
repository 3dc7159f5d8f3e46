#include "date.hpp"

#include <algorithm>
#include <array>
#include <chrono>

namespace file_server {

namespace {

using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::array<std::string_view, 7> day_names{"Sun", "Mon", "Tue", "Wed",
                                                    "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> long_day_names{
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> month_names{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

constexpr seconds day_seconds = 24 * 60 * 60;

constexpr seconds start_of(int year) noexcept {
  const sys_days first =
      year_month_day(std::chrono::year(year), std::chrono::January, std::chrono::day(1));
  return seconds{first.time_since_epoch().count()} * day_seconds;
}

constexpr seconds first_second = start_of(0);
constexpr seconds last_second = start_of(10'000) - 1;

year_month_day day_of(seconds when) noexcept {
  return sys_days(std::chrono::floor<std::chrono::days>(std::chrono::seconds(when)));
}

void add_two_digits(text& to, seconds number) {
  to.add(static_cast<char>('0' + number / 10), static_cast<char>('0' + number % 10));
}

/// What is left of a date to read.
class reader {
 public:
  explicit reader(std::string_view text) noexcept : left_(text) {}

  bool ended() const noexcept { return ok_ && left_.empty(); }

  void skip(std::string_view expected) noexcept {
    ok_ = ok_ && left_.starts_with(expected);
    if (ok_) left_.remove_prefix(expected.size());
  }

  /// Exactly `digits` digits; in front of them may be spaces instead of zeros.
  int number(std::size_t digits, bool spaces = false) noexcept {
    ok_ = ok_ && left_.size() >= digits;
    int value = 0;
    for (std::size_t at = 0; ok_ && at < digits; ++at) {
      const char digit = left_[at];
      if (spaces && digit == ' ' && value == 0 && at + 1 < digits) continue;
      ok_ = digit >= '0' && digit <= '9';
      value = value * 10 + (digit - '0');
    }
    if (ok_) left_.remove_prefix(digits);
    return value;
  }

  /// Which of `names` is next.
  template <std::size_t Count>
  unsigned name(const std::array<std::string_view, Count>& names) noexcept {
    const auto found = std::find_if(names.begin(), names.end(), [this](std::string_view each) {
      return left_.starts_with(each);
    });
    ok_ = ok_ && found != names.end();
    if (!ok_) return 0;
    left_.remove_prefix(found->size());
    return static_cast<unsigned>(found - names.begin());
  }

 private:
  std::string_view left_;
  bool ok_ = true;
};

struct parts {
  int year = 0;
  unsigned month = 0;  // from 0
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
};

void read_time(reader& from, parts& into) noexcept {
  into.hour = from.number(2);
  from.skip(":");
  into.minute = from.number(2);
  from.skip(":");
  into.second = from.number(2);
}

std::optional<seconds> to_seconds(const reader& from, const parts& read) noexcept {
  const year_month_day day(std::chrono::year(read.year), std::chrono::month(read.month + 1),
                           std::chrono::day(static_cast<unsigned>(read.day)));
  // 60: a leap second, which is taken for the one that follows.
  if (!from.ended() || !day.ok() || read.hour > 23 || read.minute > 59 || read.second > 60) {
    return {};
  }
  const seconds days = sys_days(day).time_since_epoch().count();
  return days * day_seconds + (read.hour * 60 + read.minute) * 60 + read.second;
}

std::optional<seconds> parse_fixdate(std::string_view text) noexcept {
  reader from(text);
  parts read;
  from.name(day_names);
  from.skip(", ");
  read.day = from.number(2);
  from.skip(" ");
  read.month = from.name(month_names);
  from.skip(" ");
  read.year = from.number(4);
  from.skip(" ");
  read_time(from, read);
  from.skip(" GMT");
  return to_seconds(from, read);
}

std::optional<seconds> parse_rfc850(std::string_view text, seconds now) noexcept {
  reader from(text);
  parts read;
  from.name(long_day_names);
  from.skip(", ");
  read.day = from.number(2);
  from.skip("-");
  read.month = from.name(month_names);
  from.skip("-");
  read.year = from.number(2);
  from.skip(" ");
  read_time(from, read);
  from.skip(" GMT");
  const int this_year = int{day_of(std::clamp(now, first_second, last_second)).year()};
  read.year += this_year - this_year % 100;
  if (read.year >= this_year + 50) read.year -= 100;
  return to_seconds(from, read);
}

std::optional<seconds> parse_asctime(std::string_view text) noexcept {
  reader from(text);
  parts read;
  from.name(day_names);
  from.skip(" ");
  read.month = from.name(month_names);
  from.skip(" ");
  read.day = from.number(2, true);
  from.skip(" ");
  read_time(from, read);
  from.skip(" ");
  read.year = from.number(4);
  return to_seconds(from, read);
}

}  // namespace

void add_date(text& to, seconds when) {
  when = std::clamp(when, first_second, last_second);
  const year_month_day date = day_of(when);
  const seconds second = when - sys_days(date).time_since_epoch().count() * day_seconds;
  to.add(day_names[std::chrono::weekday(sys_days(date)).c_encoding()], ", ");
  add_two_digits(to, unsigned{date.day()});
  to.add(' ', month_names[unsigned{date.month()} - 1], ' ');
  const int year = int{date.year()};
  add_two_digits(to, year / 100);
  add_two_digits(to, year % 100);
  to.add(' ');
  add_two_digits(to, second / 3600);
  to.add(':');
  add_two_digits(to, second / 60 % 60);
  to.add(':');
  add_two_digits(to, second % 60);
  to.add(" GMT");
}

std::optional<seconds> parse_date(std::string_view text, seconds now) noexcept {
  if (const std::optional<seconds> when = parse_fixdate(text)) return when;
  if (const std::optional<seconds> when = parse_rfc850(text, now)) return when;
  return parse_asctime(text);
}

}  // namespace file_server
