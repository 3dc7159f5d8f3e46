#pragma once

#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include "command_line/command_line.hpp"
#include "zc/host_port.hpp"

namespace ship {

/// What the command line asks for.
struct arguments {
  enum class command { send, receive };
  ship::arguments::command command = ship::arguments::command::send;
  zc::host_port address;
  std::vector<std::string> paths;  // to send
  std::string directory;           // to receive into
  unsigned connections = 8;
  bool keep = false;
  std::chrono::milliseconds connect_timeout{30'000};  // of who sends
  std::chrono::milliseconds idle_timeout{60'000};     // of a session that is received; 0: none
  bool durable = false;
  bool no_overwrite = false;
  bool quiet = false;
  bool json = false;
};

using command_line::explanation;

/// `argv[0]` is the program's name. Pure: looks at no file and no address.
std::variant<arguments, explanation> parse_arguments(int argc, const char* const* argv);

}  // namespace ship
