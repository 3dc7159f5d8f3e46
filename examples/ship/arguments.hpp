#pragma once

#include <string>
#include <variant>
#include <vector>

namespace ship {

/// What the command line asks for.
struct arguments {
  enum class command { send, receive };
  ship::arguments::command command = ship::arguments::command::send;
  std::string address;
  std::vector<std::string> paths;  // to send
  std::string directory;           // to receive into
  unsigned connections = 8;
  bool keep = false;
  bool durable = false;
  bool quiet = false;
  bool json = false;
};

/// What there is to say to a command line that asks for help, or for nothing that can be done.
struct explanation {
  std::string out;  // for standard output
  std::string err;  // for standard error
  int exit_code = 0;
};

/// `argv[0]` is the program's name. Pure: looks at no file and no address.
std::variant<arguments, explanation> parse_arguments(int argc, const char* const* argv);

}  // namespace ship
