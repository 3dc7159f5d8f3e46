#include "content_arguments.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>

#include "ascii.hpp"
#include "target.hpp"

namespace file_server {

namespace {

// All of them are in every head.
constexpr std::size_t extra_limit_bytes = 8 * 1024;

// What the server says itself, or what says where an answer ends.
constexpr std::array own_fields{
    "Accept-Ranges",  "Allow",         "Connection",        "Content-Encoding",
    "Content-Length", "Content-Range", "Content-Type",      "Date",
    "ETag",           "Keep-Alive",    "Last-Modified",     "Location",
    "Server",         "Trailer",       "Transfer-Encoding", "Upgrade"};

// Those that a file can be the answer to. 408 is sent without waiting, and 416 says more.
constexpr std::array page_codes{status::bad_request,
                                status::forbidden,
                                status::not_found,
                                status::method_not_allowed,
                                status::precondition_failed,
                                status::content_too_large,
                                status::uri_too_long,
                                status::request_header_fields_too_large,
                                status::internal_server_error,
                                status::not_implemented,
                                status::service_unavailable,
                                status::http_version_not_supported};

bool is_in_name(char one) noexcept {  // RFC 9110, section 5.6.2
  return is_letter(one) || is_digit(one) ||
         std::string_view("!#$%&'*+-.^_`|~").find(one) != std::string_view::npos;
}

bool is_in_value(char one) noexcept {
  const auto code = static_cast<unsigned char>(one);
  return one == '\t' || (code >= ' ' && code != 0x7f);
}

void add_field(content_options& given, const std::string& option, std::string_view name,
               std::string_view value) {
  const auto refuse = [&option](const std::string& why) {
    throw CLI::ValidationError(option, why);
  };
  if (name.empty() || !std::ranges::all_of(name, is_in_name)) refuse("not NAME: VALUE");
  if (!std::ranges::all_of(value, is_in_value)) refuse("a control character in the value");
  const bool is_own = std::ranges::any_of(
      own_fields, [name](std::string_view each) { return equal_but_for_case(each, name); });
  if (is_own) refuse("the server says itself: " + std::string(name));
  given.extra_fields.append(name).append(": ").append(value).append("\r\n");
  if (given.extra_fields.size() > extra_limit_bytes) refuse("too long, all together");
}

void add_line(content_options& given, const std::string& option, std::string_view line) {
  const std::size_t colon = std::min(line.find(':'), line.size());
  const std::string_view name = colon < line.size() ? line.substr(0, colon) : std::string_view();
  add_field(given, option, name, trim(line.substr(std::min(colon + 1, line.size()))));
}

void add_page(content_options& given, const std::string& option, std::string_view text) {
  const std::size_t equals = std::min(text.find('='), text.size());
  unsigned number = 0;
  const auto read = std::from_chars(text.data(), text.data() + equals, number);
  const auto* const code = std::ranges::find_if(
      page_codes, [number](status each) { return static_cast<unsigned>(each) == number; });
  target page;
  const bool right = read.ec == std::errc() && read.ptr == text.data() + equals &&
                     equals < text.size() && !parse_target(text.substr(equals + 1), page) &&
                     !page.names_directory;
  if (!right) throw CLI::ValidationError(option, "not CODE=/PATH: " + std::string(text));
  if (code == page_codes.end()) {
    throw CLI::ValidationError(option, "has no page of its own: " + std::to_string(number));
  }
  given.error_pages[*code] = page.path;
}

std::string refuse_path(const std::string& name) {
  const bool is_name =
      !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
  return is_name ? std::string() : "not a file's name: " + name;
}

}  // namespace

void add_content_options(CLI::App& app, content_options& given) {
  using words = std::vector<std::string>;
  app.add_option("--index", given.index_names,
                 "What a directory is answered with: the first that is there, of those given")
      ->type_name("NAME")
      ->allow_extra_args(false)
      ->check(refuse_path)
      ->default_str("index.html");
  app.add_flag("--list", given.list,
               "Answer with a list of what is in a directory that has none of these");
  app.add_flag(
      "--precompressed", given.precompressed,
      "Send NAME.br, NAME.zst or NAME.gz for NAME, where it is there and a client takes it");
  app.add_option_function<std::string>(
         "--cache-control",
         [&given](const std::string& value) {
           add_field(given, "--cache-control", "Cache-Control", trim(value));
         },
         "Say that in every answer that is no error, as in \"max-age=3600\"")
      ->type_name("VALUE");
  app.add_option_function<words>(
         "--header",
         [&given](const words& lines) {
           for (const std::string& each : lines) add_line(given, "--header", each);
         },
         "The same for any field, as often as there are fields")
      ->type_name("\"NAME: VALUE\"")
      ->allow_extra_args(false);
  app.add_option_function<words>(
         "--error-page",
         [&given](const words& pages) {
           for (const std::string& each : pages) add_page(given, "--error-page", each);
         },
         "Answer an error with a file below the root, as in 404=/lost.html; for each code once")
      ->type_name("CODE=/PATH")
      ->allow_extra_args(false);
}

}  // namespace file_server
