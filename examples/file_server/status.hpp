#pragma once

#include <cstdint>
#include <string_view>

namespace file_server {

/// What an answer says first: RFC 9110, section 15, and RFC 6585.
enum class status : std::uint16_t {
  ok = 200,
  partial_content = 206,
  moved_permanently = 301,
  not_modified = 304,
  bad_request = 400,
  forbidden = 403,
  not_found = 404,
  method_not_allowed = 405,
  request_timeout = 408,
  precondition_failed = 412,
  content_too_large = 413,
  uri_too_long = 414,
  range_not_satisfiable = 416,
  request_header_fields_too_large = 431,
  internal_server_error = 500,
  not_implemented = 501,
  service_unavailable = 503,
  http_version_not_supported = 505,
};

constexpr bool is_error(status what) noexcept { return static_cast<int>(what) >= 400; }

/// The code and the phrase: `404 Not Found`.
std::string_view to_string(status what) noexcept;

}  // namespace file_server
