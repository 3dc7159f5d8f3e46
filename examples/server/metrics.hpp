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

/// What is not to be served by name, `GET /metrics`, is 404.
bool asks_for_metrics(std::string_view request_line);

/// Receives one request and answers it with what `tell(to)` adds. Throws nothing but ECANCELED.
class teller {
 public:
  virtual void tell(metrics& to) = 0;

 protected:
  ~teller() = default;
};
zc::task<> answer_scrape(zc::fd client, std::string program, teller& from);

}  // namespace server
