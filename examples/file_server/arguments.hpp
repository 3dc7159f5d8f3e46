#pragma once

#include <string>
#include <variant>

#include "access_log.hpp"
#include "command_line/command_line.hpp"
#include "content_options.hpp"
#include "server/options.hpp"
#include "settings.hpp"

namespace file_server {

/// What the command line asks for.
struct arguments {
  server::options server;
  std::string root;
  time_limits limits;
  bool file_cache = false;
  content_options content;
  bool access_log = false;
  std::string log_file;  // empty: standard error
  file_server::log_format log_format = file_server::log_format::combined;
  bool accept_proxy = false;
};

using command_line::explanation;

/// `argv[0]` is the program's name. Pure: looks at no file and no address.
std::variant<arguments, explanation> parse_arguments(int argc, const char* const* argv);

}  // namespace file_server
