#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "date.hpp"
#include "request.hpp"
#include "status.hpp"
#include "zc/fd.hpp"

namespace file_server {

/// How a line says what there is to say.
enum class log_format {
  common,    // the Common Log Format: what every program that reads logs knows
  combined,  // the same with Referer and User-Agent, as nginx and Apache write it
  json,      // one object
};

/// A request, as the log has it: a copy, from when it came.
struct log_entry {
  explicit log_entry(const request& of);

  std::string method;  // empty where nothing could be read
  std::string target;
  std::string_view protocol;
  std::string referer;
  std::string user_agent;
  std::chrono::steady_clock::time_point begun = std::chrono::steady_clock::now();
};

/// What became of it.
struct log_outcome {
  std::string_view client;  // its address
  seconds when;
  status code;
  std::uint64_t bytes;  // of the answer's body, as many as the socket has accepted
  std::chrono::microseconds took;
};

/// Its line, with its end. Of every text no more than `text_limit` bytes.
std::string log_line(log_format how, const log_entry& asked, const log_outcome& got,
                     std::size_t text_limit);

/// Where the requests of all threads are written down. Thread-safe.
class access_log {
 public:
  /// On standard error.
  explicit access_log(log_format how) noexcept : format_(how) {}
  /// At the end of a file, made if it is not there. Throws std::system_error.
  access_log(log_format how, std::string path);

  /// In one write(2), which is waited for, and of no more than a pipe takes in one piece. The time
  /// that it took ends now.
  void write(const log_entry& asked, log_outcome got) const;

  /// Goes on in the file that has the path now, if it is one that has a path. Throws
  /// std::system_error, and then goes on as before.
  void reopen();

 private:
  log_format format_;
  std::string path_;
  zc::fd file_;
};

/// Adds `raw` so that it can neither end a line nor a quoted text, nor reach a terminal as a
/// command: other bytes than printable ASCII, quotes and backslashes as `\x1B`.
void add_printable(std::string& to, std::string_view raw);

}  // namespace file_server
