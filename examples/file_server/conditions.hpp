#pragma once

#include <string_view>

#include "date.hpp"
#include "request.hpp"

namespace file_server {

/// What there is to compare a file with.
struct validators {
  std::string_view etag;  // a strong one, with its quotes
  seconds modified;
};

enum class verdict { proceed, not_modified, precondition_failed };

/// What a request's conditions make of it, in the order of RFC 9110, section 13.2.2. `now` is when
/// the answer is dated. A date that is none is no condition.
verdict judge_conditions(const request& asked, const validators& of, seconds now);

/// Whether the request's Range counts: If-Range is not there, or names what the file is now.
bool range_applies(const request& asked, const validators& of, seconds now);

}  // namespace file_server
