#include "request_body.hpp"

#include <algorithm>

#include "ascii.hpp"

namespace file_server {

namespace {

int value_of(char digit) noexcept {
  const char one = lower(digit);
  if (is_digit(one)) return one - '0';
  return one >= 'a' && one <= 'f' ? one - 'a' + 10 : -1;
}

}  // namespace

request_body::request_body(const request& of, std::uint64_t limit_bytes) noexcept
    : at_(of.chunked ? place::first_size_digit : place::data),
      chunked_(of.chunked),
      left_(of.content_length),
      allowed_(limit_bytes) {
  if (!chunked_ && left_ == 0) at_ = place::end;
  if (left_ > allowed_) refuse(status::content_too_large);
}

std::size_t request_body::take(std::string_view bytes) noexcept {
  const std::size_t given = bytes.size();
  while (!bytes.empty() && !ended() && !refused_) {
    std::size_t taken = 1;
    if (at_ == place::data) {
      taken = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
      left_ -= taken;
      if (left_ == 0) at_ = chunked_ ? place::data_return : place::end;
    } else {
      take_one(bytes.front());
    }
    bytes.remove_prefix(taken);
    if (taken > allowed_) refuse(status::content_too_large);
    allowed_ -= std::min<std::uint64_t>(taken, allowed_);
  }
  return given - bytes.size();
}

void request_body::expect(char next, char wanted, place then) noexcept {
  if (next != wanted) refuse(status::bad_request);
  at_ = then;
}

void request_body::take_digit(char next) noexcept {
  left_ = left_ * 16 + static_cast<std::uint64_t>(value_of(next));
  at_ = place::size_digits;
  if (left_ > allowed_) refuse(status::content_too_large);
}

void request_body::take_one(char next) noexcept {
  switch (at_) {
    case place::first_size_digit:
      left_ = 0;
      if (value_of(next) < 0) return refuse(status::bad_request);
      return take_digit(next);
    case place::size_digits:
      if (value_of(next) >= 0) return take_digit(next);
      if (next == '\r') {
        at_ = place::size_newline;
      } else if (next == ';' || next == ' ' || next == '\t') {
        at_ = place::extension;
      } else {
        refuse(status::bad_request);
      }
      return;
    case place::extension:
      if (next == '\r') at_ = place::size_newline;
      if (next == '\n') refuse(status::bad_request);
      return;
    case place::size_newline:
      return expect(next, '\n', left_ > 0 ? place::data : place::trailer_start);
    case place::data_return:
      return expect(next, '\r', place::data_newline);
    case place::data_newline:
      return expect(next, '\n', place::first_size_digit);
    case place::trailer_start:
      at_ = next == '\r' ? place::last_newline : place::trailer;
      if (next == '\n') refuse(status::bad_request);
      return;
    case place::trailer:
      if (next == '\r') at_ = place::trailer_newline;
      if (next == '\n') refuse(status::bad_request);
      return;
    case place::trailer_newline:
      return expect(next, '\n', place::trailer_start);
    case place::last_newline:
      return expect(next, '\n', place::end);
    case place::data:
    case place::end:
      return;
  }
}

}  // namespace file_server
