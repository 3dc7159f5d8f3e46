#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "status.hpp"
#include "text.hpp"

namespace file_server {

/// What a request asks for, as a path below the root.
struct target {
  /// Relative, without `.`, `..` or empty parts, and without a `/` at its end. Empty is the root.
  std::string path;
  /// With its `?`; empty where there is none.
  std::string_view query;
  /// It ended in `/`, or in a part that means a directory.
  bool names_directory = false;
};

/// Reads a request's target, as it was sent: `/path?query`, or `http://host/path?query`. Escapes
/// are undone before anything is made of what they stand for. Gives bad_request for what is no such
/// target, a bad escape, a zero byte, and a path that leads above the root.
std::optional<status> parse_target(std::string_view raw, target& into);

/// Adds `path` as a target that parse_target() takes for the same.
void add_escaped(text& to, std::string_view path);

}  // namespace file_server
