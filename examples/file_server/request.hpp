#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "status.hpp"

namespace file_server {

/// The values of a field that is a list, and may come in several lines (RFC 9110, section 5.3).
class list_field {
 public:
  void add(std::string_view value);
  bool given() const noexcept { return given_; }
  std::string_view values() const noexcept { return several_.empty() ? first_ : several_; }

 private:
  std::string_view first_;
  std::string several_;
  bool given_ = false;
};

/// What a request's head asks for. Its views are into the head. Not to be copied with them.
struct request {
  enum class verb { get, head, other };

  verb method = verb::other;
  std::string_view method_name;
  std::string_view target;
  bool http_1_1 = false;
  bool keep_alive = false;
  /// The client waits to be told before it sends the body.
  bool expects_continue = false;

  /// The body that follows: of so many bytes, or chunked.
  std::uint64_t content_length = 0;
  bool chunked = false;
  bool has_body() const noexcept { return content_length > 0 || chunked; }

  /// Fields that say on what condition, and of what part; those not sent have no value.
  list_field if_match;
  list_field if_none_match;
  std::optional<std::string_view> if_modified_since;
  std::optional<std::string_view> if_unmodified_since;
  std::optional<std::string_view> if_range;
  std::optional<std::string_view> range;

  list_field accept_encoding;

  /// For the log alone: empty where there is none.
  std::string_view referer;
  std::string_view user_agent;

  /// Where the views are, if not in what was parsed.
  std::string own_head;
};

/// Whether no more bytes can make a head of those that have come: the status to refuse it with.
std::optional<status> refuse_beginning(std::string_view begun);

/// Parses a head, which ends with its empty line and has no line that goes on in the next (see
/// head_scan). Where it is refused, this gives the status to refuse it with, and fills in what
/// there was to read of the request line: the connection cannot go on then, as nobody knows what
/// follows. What could hide a request from somebody between us and the client is refused: two
/// lengths, a length beside a transfer coding, a coding that is not "chunked" alone. So are fields
/// that may stand once, and do so twice. Later minor versions of HTTP/1 are taken for HTTP/1.1
/// (RFC 9110, section 2.5).
std::optional<status> parse_request(std::string_view head, request& into);

}  // namespace file_server
