#pragma once

#include <chrono>
#include <cstddef>

#include "access_log.hpp"
#include "content_options.hpp"
#include "root.hpp"

namespace file_server {

/// How long a client may keep the server waiting.
struct time_limits {
  std::chrono::milliseconds head{10'000};  // for all of a request, from its first byte on
  std::chrono::milliseconds idle{60'000};  // for the first byte of the next one
  std::chrono::milliseconds send{30'000};  // for taking a byte of an answer
};

/// What all connections have in common.
struct settings {
  const root_path& root;
  time_limits limits = {};
  std::size_t cached_files = 0;     // of each thread: see tree
  const access_log* log = nullptr;  // null: there is none
  bool accept_proxy = false;        // connections begin with a PROXY header
  content_options content = {};
};

}  // namespace file_server
