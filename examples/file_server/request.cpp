#include "request.hpp"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/version.hpp>
#include <cstddef>
#include <limits>
#include <string>

#include "ascii.hpp"

namespace file_server {

namespace {

namespace http = boost::beast::http;

std::string_view to_std(boost::beast::string_view text) noexcept {
  return {text.data(), text.size()};
}

/// `HTTP/` and two digits: a version that may be another than ours.
bool is_version(std::string_view text) noexcept {
  return text.size() == 8 && text.starts_with("HTTP/") && is_digit(text[5]) && text[6] == '.' &&
         is_digit(text[7]);
}

// RFC 9112, section 3.2: a host and a port, and nothing that ends it for some readers.
bool is_host(std::string_view value) noexcept {
  return value.find_first_of("/?#@\\ \t,<>\"") == std::string_view::npos;
}

/// Fills a request in from what the parser finds, and refuses what it would let pass.
class head_parser final : public http::basic_parser<true> {
 public:
  explicit head_parser(request& into) : into_(into) {}

  std::optional<status> parse(std::string_view head) {
    const error_code error = read(head);
    if (refused_) return refused_;
    if (error == http::error::bad_version) return refused_version(head);
    // What needs more than all there is has lines that are none to this parser.
    if (error || !is_header_done()) return status::bad_request;
    into_.keep_alive = keep_alive();
    into_.chunked = chunked();
    into_.content_length = content_length().value_or(0);
    if (hosts_ != 1 && (into_.http_1_1 || hosts_ > 1)) return status::bad_request;
    return {};
  }

  std::optional<status> parse_beginning(std::string_view begun) {
    const error_code error = read(begun);
    if (refused_) return refused_;
    if (!error || error == http::error::need_more) return {};
    // Of another version, up to what follows.
    const std::string_view line = begun.substr(0, begun.find('\r'));
    const bool may_be_one = error == http::error::bad_version &&
                            refused_version(line) == status::http_version_not_supported;
    return may_be_one ? std::nullopt : std::optional(status::bad_request);
  }

 private:
  using string_view = boost::beast::string_view;
  using error_code = boost::system::error_code;

  error_code read(std::string_view head) {
    header_limit(std::numeric_limits<std::uint32_t>::max());  // the caller has one
    body_limit(std::numeric_limits<std::uint64_t>::max());
    error_code error;
    put({head.data(), head.size()}, error);
    return error;
  }

  /// Whether what the parser does not take for a version of its own is one of others: the third of
  /// three words.
  static status refused_version(std::string_view head) noexcept {
    const std::string_view line = head.substr(0, head.find("\r\n"));
    const bool three_words = std::count(line.begin(), line.end(), ' ') == 2;
    return three_words && is_version(line.substr(line.rfind(' ') + 1))
               ? status::http_version_not_supported
               : status::bad_request;
  }

  void refuse(status why, error_code& error) {
    refused_ = why;
    error = http::make_error_code(http::error::bad_value);
  }

  void take_once(std::optional<std::string_view>& field, std::string_view value,
                 error_code& error) {
    if (field) refuse(status::bad_request, error);
    field = value;
  }

  void on_request_impl(http::verb method, string_view name, string_view target, int version,
                       error_code& /*error*/) override {
    if (method == http::verb::get) into_.method = request::verb::get;
    if (method == http::verb::head) into_.method = request::verb::head;
    into_.method_name = to_std(name);
    into_.target = to_std(target);
    into_.http_1_1 = version == 11;
  }

  void on_field_impl(http::field name, string_view, string_view raw, error_code& error) override {
    const std::string_view value = to_std(raw);
    switch (name) {
      case http::field::host:
        ++hosts_;
        if (!is_host(value)) refuse(status::bad_request, error);
        break;
      case http::field::content_length:
        // The parser takes a list of lengths, too.
        if (++lengths_ > 1 || value.find(',') != value.npos) refuse(status::bad_request, error);
        break;
      case http::field::transfer_encoding:
        if (!into_.http_1_1) {
          refuse(status::bad_request, error);
        } else if (!equal_but_for_case(value, "chunked")) {
          refuse(status::not_implemented, error);
        }
        break;
      case http::field::expect:
        into_.expects_continue = equal_but_for_case(value, "100-continue");
        break;
      case http::field::if_match:
        into_.if_match.add(value);
        break;
      case http::field::if_none_match:
        into_.if_none_match.add(value);
        break;
      case http::field::if_modified_since:
        take_once(into_.if_modified_since, value, error);
        break;
      case http::field::if_unmodified_since:
        take_once(into_.if_unmodified_since, value, error);
        break;
      case http::field::if_range:
        take_once(into_.if_range, value, error);
        break;
      case http::field::range:
        take_once(into_.range, value, error);
        break;
      case http::field::accept_encoding:
        into_.accept_encoding.add(value);
        break;
      case http::field::referer:
        into_.referer = value;
        break;
      case http::field::user_agent:
        into_.user_agent = value;
        break;
      default:
        break;
    }
  }

  // It is given heads alone, of requests: nothing of the rest is ever called.
  void on_response_impl(int, string_view, int, error_code&) override {}
#if BOOST_BEAST_VERSION >= 359  // Boost 1.90
  void on_trailer_field_impl(http::field, string_view, string_view, error_code&) override {}
#endif
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view, error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view, error_code&) override { return 0; }
  void on_finish_impl(error_code&) override {}

  request& into_;
  std::optional<status> refused_;
  unsigned hosts_ = 0;
  unsigned lengths_ = 0;
};

}  // namespace

void list_field::add(std::string_view value) {
  if (!given_) {
    first_ = value;
  } else {
    if (several_.empty()) several_ = first_;
    several_.append(", ").append(value);
  }
  given_ = true;
}

std::optional<status> refuse_beginning(std::string_view begun) {
  request unfinished;
  return head_parser(unfinished).parse_beginning(begun);
}

std::optional<status> parse_request(std::string_view head, request& into) {
  constexpr std::string_view version_1 = "HTTP/1.";
  const std::optional<status> refused = head_parser(into).parse(head);
  if (refused != status::http_version_not_supported) return refused;
  const std::size_t minor = head.find("\r\n") - 1;
  if (!head.substr(0, minor).ends_with(version_1)) return refused;
  // The parser knows no number but those of its own versions.
  into.own_head = head;
  into.own_head[minor] = '1';
  return head_parser(into).parse(into.own_head);
}

}  // namespace file_server
