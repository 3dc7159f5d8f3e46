#include <array>
#include <chrono>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "access_log.hpp"

namespace file_server {

namespace {

struct time_of_day {
  explicit time_of_day(seconds when)
      : day(std::chrono::floor<std::chrono::days>(
            std::chrono::sys_seconds(std::chrono::seconds(when)))),
        second(
            static_cast<unsigned>(when - std::chrono::sys_seconds(day).time_since_epoch().count())),
        date(day) {}

  std::chrono::sys_days day;
  unsigned second;
  std::chrono::year_month_day date;
};

std::string digits(unsigned number, std::size_t count) {
  std::string made = std::to_string(number);
  return std::string(count - std::min(count, made.size()), '0') + made;
}

std::string clock_of(const time_of_day& when) {
  return digits(when.second / 3600, 2) + ':' + digits(when.second / 60 % 60, 2) + ':' +
         digits(when.second % 60, 2);
}

std::string year_of(const time_of_day& when) {
  return digits(static_cast<unsigned>(static_cast<int>(when.date.year())), 4);
}

/// `29/Nov/2026:04:59:29 +0000`: in no locale and no zone.
std::string common_time(seconds at) {
  constexpr std::array names{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const time_of_day when(at);
  return digits(static_cast<unsigned>(when.date.day()), 2) + '/' +
         names.at(static_cast<unsigned>(when.date.month()) - 1) + '/' + year_of(when) + ':' +
         clock_of(when) + " +0000";
}

/// `2026-11-29T04:59:29Z`: RFC 3339.
std::string json_time(seconds at) {
  const time_of_day when(at);
  return year_of(when) + '-' + digits(static_cast<unsigned>(when.date.month()), 2) + '-' +
         digits(static_cast<unsigned>(when.date.day()), 2) + 'T' + clock_of(when) + 'Z';
}

std::string cut(std::string_view text, std::size_t limit) {
  std::string made(text.substr(0, limit));
  if (made.size() < text.size()) made.append("...");
  return made;
}

/// In quotes; `-` for nothing.
void add_quoted(std::string& to, std::string_view text, std::size_t limit) {
  to.append(" \"");
  add_printable(to, text.empty() ? "-" : cut(text, limit));
  to.push_back('"');
}

std::string common_line(const log_entry& asked, const log_outcome& got, std::size_t limit) {
  std::string line(got.client);
  line.append(" - - [").append(common_time(got.when)).append("]");
  const bool readable = !asked.method.empty();
  const std::string request = readable ? cut(asked.method, limit) + ' ' + cut(asked.target, limit) +
                                             ' ' + std::string(asked.protocol)
                                       : std::string();
  add_quoted(line, request, request.size());
  line.append(" ").append(to_string(got.code).substr(0, 3));
  return line.append(" ").append(std::to_string(got.bytes));
}

std::string json_line(const log_entry& asked, const log_outcome& got, std::size_t limit) {
  using nlohmann::ordered_json;
  const auto text = [limit](std::string_view raw) {
    return raw.empty() ? ordered_json() : ordered_json(cut(raw, limit));
  };
  const ordered_json line{
      {"time", json_time(got.when)},
      {"client", got.client},
      {"method", text(asked.method)},
      {"target", text(asked.target)},
      {"protocol", asked.method.empty() ? ordered_json() : ordered_json(asked.protocol)},
      {"status", static_cast<int>(got.code)},
      {"bytes", got.bytes},
      {"seconds", std::chrono::duration<double>(got.took).count()},
      {"referer", text(asked.referer)},
      {"user_agent", text(asked.user_agent)}};
  // ASCII alone: what a terminal would act on is a `\u001b`, and bytes that are no UTF-8 `\ufffd`.
  constexpr bool only_ascii = true;
  return line.dump(-1, ' ', only_ascii, ordered_json::error_handler_t::replace);
}

}  // namespace

std::string log_line(log_format how, const log_entry& asked, const log_outcome& got,
                     std::size_t text_limit) {
  std::string line = how == log_format::json ? json_line(asked, got, text_limit)
                                             : common_line(asked, got, text_limit);
  if (how == log_format::combined) {
    add_quoted(line, asked.referer, text_limit);
    add_quoted(line, asked.user_agent, text_limit);
  }
  line.push_back('\n');
  return line;
}

}  // namespace file_server
