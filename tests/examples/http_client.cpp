#include "examples/http_client.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <regex>
#include <stdexcept>
#include <system_error>

#include "examples/ship_support.hpp"
#include "support/descriptors.hpp"
#include "support/process.hpp"

namespace support {

namespace {

constexpr std::string_view empty_line = "\r\n\r\n";

[[noreturn]] void refuse(const std::string& why, std::string_view where) {
  throw std::runtime_error(why + ": " + std::string(where.substr(0, 2000)));
}

std::string lower(std::string_view text) {
  std::string made(text);
  std::transform(made.begin(), made.end(), made.begin(),
                 [](unsigned char each) { return static_cast<char>(std::tolower(each)); });
  return made;
}

std::pair<std::string, std::string> parse_field(const std::string& line) {
  static const std::regex form("([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\\x21-\\x7e][\\x20-\\x7e]*)?");
  std::smatch parts;
  if (!std::regex_match(line, parts, form)) refuse("not a field", line);
  return {lower(parts[1].str()), parts[2].str()};
}

/// What every answer but an interim one has.
void check_fields(const http_answer& of, std::string_view head) {
  static const std::regex date(
      "(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \\d\\d "
      "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \\d{4} \\d\\d:\\d\\d:\\d\\d GMT");
  if (!std::regex_match(of.field("date"), date)) refuse("not a date", head);
  if (of.has("last-modified") && !std::regex_match(of.field("last-modified"), date)) {
    refuse("not a date", head);
  }
  for (const auto& [name, value] : of.fields) of.field(name);  // twice is once too often
  if (of.has("transfer-encoding")) refuse("files have a length", head);
  if (of.status != 304 && of.status != 204) of.content_length();
}

}  // namespace

bool http_answer::has(std::string_view name) const {
  return std::any_of(fields.begin(), fields.end(),
                     [name](const auto& each) { return each.first == name; });
}

const std::string& http_answer::field(std::string_view name) const {
  const std::string* found = nullptr;
  for (const auto& [each, value] : fields) {
    if (each != name) continue;
    if (found != nullptr) refuse("there twice", name);
    found = &value;
  }
  if (found == nullptr) refuse("no such field in answer " + std::to_string(status), name);
  return *found;
}

std::size_t http_answer::content_length() const {
  const std::string& text = field("content-length");
  if (text.empty() || text.find_first_not_of("0123456789") != std::string::npos) {
    refuse("not a length", text);
  }
  return std::stoull(text);
}

bool http_answer::closes() const {
  const std::string connection = has("connection") ? lower(field("connection")) : "";
  return version == "HTTP/1.0" ? connection != "keep-alive" : connection == "close";
}

http_answer parse_answer(std::string_view head) {
  static const std::regex form("(HTTP/1\\.[01]) ([1-5]\\d\\d) ([\\x20-\\x7e]*)");
  http_answer made;
  for (std::size_t at = 0; at + 2 < head.size();) {
    const std::size_t after = head.find("\r\n", at);
    const std::string line(head.substr(at, after - at));
    std::smatch parts;
    if (at > 0) {
      made.fields.push_back(parse_field(line));
    } else if (std::regex_match(line, parts, form)) {
      made.version = parts[1].str();
      made.status = std::stoi(parts[2].str());
    } else {
      refuse("not a status line", head);
    }
    at = after + 2;
  }
  if (made.status >= 200) check_fields(made, head);
  return made;
}

http_client::http_client(const std::string& address, options given)
    : socket_(connect_to(address, given.receive_buffer_bytes)) {}

bool http_client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return false;
    if (sent < 0) throw std::system_error(errno, std::system_category(), "send");
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

/// Waits for bytes; false at the end.
bool http_client::fill() {
  if (!hears_within(std::chrono::seconds(10) * slowdown())) refuse("silence after", pending_);
  std::array<char, 65536> buffer{};
  const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
  if (got < 0 && errno != ECONNRESET) {
    throw std::system_error(errno, std::system_category(), "recv");
  }
  if (got < 0) end_ = end::reset;
  if (got <= 0) return false;
  pending_.append(buffer.data(), static_cast<std::size_t>(got));
  return true;
}

/// Has a whole head in `pending_`; false where the connection ended before its first byte.
bool http_client::until_empty_line(std::size_t& size) {
  for (;;) {
    const std::size_t at = pending_.find(empty_line);
    size = at + empty_line.size();
    if (at != std::string::npos) return true;
    if (fill()) continue;
    if (pending_.empty()) return false;
    refuse("ends in the middle of a head", pending_);
  }
}

http_answer http_client::receive_head() {
  std::size_t size = 0;
  if (!until_empty_line(size)) refuse("no answer, but the end", "");
  http_answer made = parse_answer(std::string_view(pending_).substr(0, size));
  pending_.erase(0, size);
  return made;
}

std::string http_client::receive_bytes(std::size_t nbytes) {
  while (pending_.size() < nbytes && fill()) continue;
  std::string taken = pending_.substr(0, nbytes);
  pending_.erase(0, taken.size());
  return taken;
}

http_answer http_client::receive(to method) {
  http_answer made = receive_head();
  const bool has_body =
      method == to::get && made.status >= 200 && made.status != 204 && made.status != 304;
  if (!has_body) return made;
  made.body = receive_bytes(made.content_length());
  if (made.body.size() != made.content_length()) {
    refuse("ends after " + std::to_string(made.body.size()) + " bytes of",
           made.field("content-length"));
  }
  return made;
}

std::optional<http_answer> http_client::receive_if_any() {
  std::size_t size = 0;
  if (!until_empty_line(size)) return std::nullopt;
  return receive();
}

http_answer http_client::ask(std::string_view request, to method) {
  send(request);
  return receive(method);
}

std::string http_client::rest() {
  while (fill()) continue;
  return std::exchange(pending_, {});
}

bool http_client::ends() { return rest().empty() && end_ == end::clean; }

bool http_client::hears_within(std::chrono::milliseconds time) {
  pollfd one{socket_.get(), POLLIN, 0};
  const int heard = ::poll(&one, 1, static_cast<int>(time.count()));
  if (heard < 0) throw std::system_error(errno, std::system_category(), "poll");
  return heard > 0;
}

void http_client::finish_sending() { ::shutdown(socket_.get(), SHUT_WR); }

void http_client::reset() {
  reset_on_close(socket_.get());
  socket_ = zc::fd();
}

}  // namespace support
