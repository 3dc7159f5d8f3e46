#pragma once

#include <cstddef>
#include <string_view>

namespace file_server {

/// Finds where a request's head ends, in bytes of which there are more each time.
class head_scan {
 public:
  enum class verdict {
    incomplete,
    complete,   // the empty line is there
    malformed,  // a line does not end in CRLF, or goes on in the next one (RFC 9112, section 5.2)
  };

  /// `bytes` are all that have come of the head, from its first one on.
  verdict look(std::string_view bytes) noexcept;

  /// Of a complete one: how long it is, with the empty line.
  std::size_t size() const noexcept { return line_; }
  /// How much of that is its first line, as far as that has come.
  std::size_t first_line_size() const noexcept { return first_line_ > 0 ? first_line_ : seen_; }

 private:
  std::size_t line_ = 0;        // where the line begins that has not ended
  std::size_t first_line_ = 0;  // its size
  std::size_t seen_ = 0;
};

}  // namespace file_server
