#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "zc/fd.hpp"
#include "zc/task.hpp"

namespace server {

/// Numbers in the text format of Prometheus:
/// https://prometheus.io/docs/instrumenting/exposition_formats/
///
/// Names are of letters, digits and underscores; what they are about, and labels, of anything.
class metrics {
 public:
  /// What every name begins with.
  explicit metrics(std::string_view program) : prefix_(std::string(program) + "_") {}

  /// What only grows. Its name ends with `_total`.
  void counter(std::string_view name, std::string_view about, std::uint64_t value);
  void gauge(std::string_view name, std::string_view about, std::uint64_t value);

  /// The same where there are several, told apart by a label: first what they are all about, then
  /// each.
  void counters(std::string_view name, std::string_view about);
  void add(std::string_view name, std::string_view label, std::string_view is, std::uint64_t value);

  const std::string& text() const noexcept { return text_; }

 private:
  void begin(std::string_view name, std::string_view about, std::string_view type);

  std::string prefix_;
  std::string text_;
};

/// Of `GET /metrics HTTP/1.1`, and the same with a query.
bool asks_for_metrics(std::string_view request_line);

/// Who has numbers to tell.
class teller {
 public:
  virtual void tell(metrics& to) = 0;

 protected:
  ~teller() = default;
};

/// Receives one request over HTTP and answers it with what `from` tells, or with 404. Throws
/// nothing but ECANCELED.
zc::task<> answer_scrape(zc::fd client, std::string program, teller& from);

}  // namespace server
