#pragma once

#include <string>
#include <variant>

#include "server/options.hpp"
#include "settings.hpp"

namespace file_server {

/// What the command line asks for.
struct arguments {
  server::options server;
  std::string root;
  time_limits limits;
  bool file_cache = false;
  bool access_log = false;
};

/// What there is to say to a command line that asks for help, or for nothing that can be done.
struct explanation {
  std::string out;  // for standard output
  std::string err;  // for standard error
  int exit_code = 0;
};

/// `argv[0]` is the program's name. Pure: looks at no file and no address.
std::variant<arguments, explanation> parse_arguments(int argc, const char* const* argv);

}  // namespace file_server
