#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <variant>

#include "command_line/command_line.hpp"
#include "server/options.hpp"
#include "server/proxy_protocol.hpp"
#include "zc/host_port.hpp"

namespace tcp_relay {

namespace proxy_protocol = server::proxy_protocol;

/// What the command line asks for.
struct arguments {
  server::options server;
  zc::host_port to;
  std::chrono::milliseconds connect_timeout{5'000};  // of all addresses together
  std::chrono::milliseconds header_timeout{5'000};   // of the PROXY header of a client
  std::chrono::milliseconds idle_timeout{600'000};   // 0: none
  std::optional<proxy_protocol::version> send_proxy;
  bool accept_proxy = false;
  bool json = false;
};

using command_line::explanation;

/// `argv[0]` is the program's name. Looks no name up.
std::variant<arguments, explanation> parse_arguments(int argc, const char* const* argv);

}  // namespace tcp_relay
