#pragma once

#include <map>
#include <string>
#include <vector>

#include "status.hpp"

namespace file_server {

/// What there is to say about content that no request decides.
struct content_options {
  /// What a directory is answered with, the first that is there.
  std::vector<std::string> index_names{"index.html"};
  /// One without any of these is answered with what is in it.
  bool list = false;
  /// A file is sent as the one beside it that is the same, compressed, where a client takes that.
  bool precompressed = false;
  /// Whole lines, for the heads of answers that are no errors.
  std::string extra_fields;
  /// What an error is answered with: paths below the root.
  std::map<status, std::string> error_pages;
};

}  // namespace file_server
