#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "conditions.hpp"
#include "head.hpp"
#include "ranges.hpp"
#include "request.hpp"
#include "target.hpp"
#include "text.hpp"

namespace file_server {

/// What a file's answer says of it.
struct description {
  std::string_view type;
  std::string_view etag;
  std::uint64_t size;
  seconds modified;
  std::string_view encoding = {};  // how it is compressed, if it is
  bool varies = false;             // with what encodings a client takes
};

/// What to answer a request for a file that is there.
struct reply {
  status code = status::ok;
  byte_ranges ranges;  // of partial_content
};

/// `now` is when the answer is dated.
reply decide(const request& asked, const description& of, seconds now);

/// Adds an answer without a file: its head, and but for `head_only` a line that says the same.
/// How long that line is.
std::size_t add_short_reply(text& to, status code, const manner& how, bool head_only);

/// Adds the head of an answer whose body is a page of `nbytes`, as it is: an error's, or one that
/// is made for it.
void add_page_head(text& to, status code, std::string_view type, std::uint64_t nbytes,
                   const manner& how);

/// Where a directory is, for who left its `/` out.
void add_redirect(text& to, const target& asked, const manner& how);

void add_file_head(text& to, const reply& what, const description& of, const manner& how);

/// What is around the parts of an answer with several of them.
class multipart {
 public:
  explicit multipart(const description& of) noexcept : of_(of) {}

  void add_start(text& to, const byte_range& part) const;
  void add_end(text& to) const;
  /// Of all parts, with what is around them.
  std::uint64_t size(const byte_ranges& parts) const;

  /// What no content can be told to contain: drawn once, when the program starts.
  static std::string_view boundary();

 private:
  const description& of_;
};

}  // namespace file_server
