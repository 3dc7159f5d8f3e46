#pragma once

#include <string_view>

#include "status.hpp"
#include "text.hpp"

namespace file_server {

/// What an answer says of the connection, and of itself.
struct manner {
  std::string_view date;  // now, as an IMF-fixdate
  bool http_1_1 = true;   // the client's version
  bool keep_alive = false;
  std::string_view extra_fields = {};  // whole lines, for what is no error
};

/// An answer's head, field by field.
class head {
 public:
  head(text& to, status code, const manner& how) : to_(to) {
    to_.add("HTTP/1.1 ", to_string(code), "\r\nServer: zc\r\nDate: ", how.date, "\r\n");
    if (!how.keep_alive) field("Connection", "close");
    // What HTTP/1.1 takes for granted.
    if (how.keep_alive && !how.http_1_1) field("Connection", "keep-alive");
    if (!is_error(code)) to_.add(how.extra_fields);
  }

  template <class... Parts>
  head& field(std::string_view name, const Parts&... value) {
    to_.add(name, ": ", value..., "\r\n");
    return *this;
  }

  void end() { to_.add("\r\n"); }

 private:
  text& to_;
};

}  // namespace file_server
