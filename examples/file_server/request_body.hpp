#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "request.hpp"
#include "status.hpp"

namespace file_server {

/// A request's body, which nobody wants: finds its end.
class request_body {
 public:
  /// As the head has it. Bodies of more than `limit_bytes`, with all that chunks have around them,
  /// are refused.
  request_body(const request& of, std::uint64_t limit_bytes) noexcept;

  /// Takes what of `bytes` belongs to the body: how many these are.
  std::size_t take(std::string_view bytes) noexcept;

  bool ended() const noexcept { return at_ == place::end; }
  /// Where it is refused: its end will never be found.
  std::optional<status> refused() const noexcept { return refused_; }

 private:
  /// What comes next.
  enum class place {
    data,  // of `left_` bytes
    // RFC 9112, section 7.1
    first_size_digit,
    size_digits,
    extension,
    size_newline,
    data_return,
    data_newline,
    trailer_start,
    trailer,
    trailer_newline,
    last_newline,
    end,
  };

  void take_one(char next) noexcept;
  void take_digit(char next) noexcept;
  void expect(char next, char wanted, place then) noexcept;
  void refuse(status why) noexcept { refused_ = why; }

  place at_;
  bool chunked_;
  std::uint64_t left_ = 0;
  std::uint64_t allowed_;
  std::optional<status> refused_;
};

}  // namespace file_server
