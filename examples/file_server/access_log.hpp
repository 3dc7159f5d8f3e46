#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "clock.hpp"
#include "request.hpp"
#include "status.hpp"

namespace file_server {

/// One request's line in the log.
class log_entry {
 public:
  /// Begins now. Copies what it needs of the request.
  explicit log_entry(const request& of);

  /// Writes the line to standard error, in one write(2): who asked, when, for what, the status, how
  /// many bytes of an answer's body were accepted by the socket, and how many seconds it took.
  /// Waits where standard error does.
  void write(std::string_view peer, const clock& when, status code, std::uint64_t bytes) const;

 private:
  std::string what_;
  std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

/// Adds `raw` so that it can neither end a line nor a quoted text, nor reach a terminal as a
/// command: other bytes than printable ASCII, quotes and backslashes as `\x1B`.
void add_printable(std::string& to, std::string_view raw);

}  // namespace file_server
