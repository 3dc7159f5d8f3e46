#include "server/metrics.hpp"

#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <system_error>
#include <utility>

#include "zc/lingering_close.hpp"
#include "zc/op/recv.hpp"
#include "zc/op/send.hpp"
#include "zc/timeout.hpp"

namespace server {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t head_limit_bytes = 8192;

void add_escaped(std::string& to, std::string_view raw, bool quoted) {
  for (const char each : raw) {
    if (each == '\n') {
      to += "\\n";
    } else {
      if (each == '\\' || (quoted && each == '"')) to += '\\';
      to += each;
    }
  }
}

std::string date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text.data();
}

std::string answer(std::string_view status, std::string_view type, std::string_view body) {
  std::string all("HTTP/1.1 ");
  all.append(status).append("\r\nDate: ").append(date()).append("\r\nContent-Type: ").append(type);
  all.append("\r\nContent-Length: ").append(std::to_string(body.size()));
  return all.append("\r\nConnection: close\r\n\r\n").append(body);
}

/// Up to the empty line; empty where it does not come.
zc::task<std::string> receive_head(int client) {
  std::string head;
  std::array<char, 1024> piece;
  while (head.find("\r\n\r\n") == head.npos) {
    const zc::result<std::size_t> got = co_await zc::op::recv(client, piece.data(), piece.size());
    if (got.value() == 0 || head.size() > head_limit_bytes) co_return std::string();
    head.append(piece.data(), *got);
  }
  co_return head;
}

zc::task<> exchange(int client, std::string program, teller& from) {
  const std::string head = co_await receive_head(client);
  if (head.empty()) co_return;
  std::string said = answer("404 Not Found", "text/plain", "see /metrics\n");
  if (asks_for_metrics(std::string_view(head).substr(0, head.find("\r\n")))) {
    metrics now(program);
    from.tell(now);
    said = answer("200 OK", "text/plain; version=0.0.4; charset=utf-8", now.text());
  }
  for (std::string_view left = said; !left.empty();) {
    const zc::result<std::size_t> sent = co_await zc::op::send(client, left.data(), left.size());
    left.remove_prefix(sent.value());
  }
}

}  // namespace

void metrics::begin(std::string_view name, std::string_view about, std::string_view type) {
  text_.append("# HELP ").append(prefix_).append(name).append(" ");
  add_escaped(text_, about, false);
  text_.append("\n# TYPE ").append(prefix_).append(name).append(" ").append(type).append("\n");
}

void metrics::counter(std::string_view name, std::string_view about, std::uint64_t value) {
  begin(name, about, "counter");
  text_.append(prefix_).append(name).append(" ").append(std::to_string(value)).append("\n");
}

void metrics::gauge(std::string_view name, std::string_view about, std::uint64_t value) {
  begin(name, about, "gauge");
  text_.append(prefix_).append(name).append(" ").append(std::to_string(value)).append("\n");
}

void metrics::counters(std::string_view name, std::string_view about) {
  begin(name, about, "counter");
}

void metrics::add(std::string_view name, std::string_view label, std::string_view is,
                  std::uint64_t value) {
  text_.append(prefix_).append(name).append("{").append(label).append("=\"");
  add_escaped(text_, is, true);
  text_.append("\"} ").append(std::to_string(value)).append("\n");
}

bool asks_for_metrics(std::string_view request_line) {
  constexpr std::string_view wanted = "GET /metrics";
  if (!request_line.starts_with(wanted)) return false;
  request_line.remove_prefix(wanted.size());
  return request_line.starts_with(' ') || request_line.starts_with('?');
}

zc::task<> answer_scrape(zc::fd client, std::string program, teller& from) {
  try {
    co_await zc::timeout(10s, exchange(client.get(), std::move(program), from));
  } catch (const std::system_error& failed) {
    if (failed.code() == std::errc::operation_canceled) throw;
    co_return;  // who asked has gone, or is too slow: it will ask again
  }
  co_await zc::lingering_close(std::move(client));
}

}  // namespace server
