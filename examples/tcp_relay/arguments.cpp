#include "arguments.hpp"

#include <CLI/CLI.hpp>
#include <utility>

namespace tcp_relay {

std::variant<arguments, explanation> parse_arguments(int argc, const char* const* argv) {
  CLI::App app(
      "Relays TCP connections to another server, both ways at once, without copying their bytes\n"
      "through this program's memory.");
  arguments given;
  std::string send_proxy;
  server::add_options(app, given.server);
  server::add_host_port(app, "--to", given.to,
                        "Where connections go on to; of a name each address is tried")
      ->required();
  server::add_seconds(app, "--connect-timeout", given.connect_timeout,
                      "How long a connection to it may take to make, all its addresses together")
      ->check(server::refuse_zero);
  server::add_seconds(app, "--idle-timeout", given.idle_timeout,
                      "After how long without a byte either way a connection ends; 0: never");
  server::add_seconds(app, "--header-timeout", given.header_timeout,
                      "How long a client may take for its PROXY header")
      ->check(server::refuse_zero);
  app.add_option("--send-proxy", send_proxy,
                 "Tell the upstream who the client is: the PROXY protocol")
      ->check(CLI::IsMember({"v1", "v2"}));
  app.add_flag("--accept-proxy", given.accept_proxy,
               "Let clients tell, by either version, and serve no others: for a port that only\n"
               "other proxies can reach");
  app.add_flag("--json", given.json, "Print statistics as JSON, on one line");
  app.footer("SIGUSR1 prints statistics to standard error; they are printed at the end, too.");
  if (auto said = command_line::read(app, argc, argv)) return std::move(*said);
  if (send_proxy == "v1") given.send_proxy = proxy_protocol::version::v1;
  if (send_proxy == "v2") given.send_proxy = proxy_protocol::version::v2;
  return given;
}

}  // namespace tcp_relay
