#include "arguments.hpp"

#include <CLI/CLI.hpp>
#include <utility>

#include "server/options.hpp"

namespace ship {

std::variant<arguments, explanation> parse_arguments(int argc, const char* const* argv) {
  CLI::App app(
      "Ships files and directories over TCP, many at once. There is no encryption and no\n"
      "password: use it in a network that you trust, or through a tunnel.");
  app.require_subcommand(1);
  arguments given;

  CLI::App* const sending = app.add_subcommand("send", "Send files and directories");
  server::add_host_port(*sending, "ADDRESS", given.address, "Where a receiver listens")->required();
  sending->add_option("PATH", given.paths, "What to send; DIR/. is what is in DIR")->required();
  sending->footer(
      "Kept: contents, names, permissions, times of modification, symbolic links. Holes stay "
      "holes.\n"
      "Not kept, and counted in the summary: owners, hard links (each name becomes a file of its\n"
      "own), extended attributes and ACLs, set-user-id, set-group-id and sticky bits of files.\n"
      "Sockets, FIFOs and devices are failures. What a receiver has unfinished in a directory that "
      "is\n"
      "sent (.ship-*) is left out.");
  sending->add_option("--connections", given.connections, "How many files to send at once")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();

  server::add_seconds(*sending, "--connect-timeout", given.connect_timeout,
                      "How long the receiver may take to answer")
      ->check(server::refuse_zero);

  CLI::App* const receiving = app.add_subcommand("receive", "Receive into a directory");
  server::add_host_port(*receiving, "ADDRESS", given.address,
                        "Where to listen; port 0 picks a free one, no host is every interface")
      ->required();
  receiving->add_option("DIRECTORY", given.directory, "Where to put things")->required();
  receiving->add_flag("--keep", given.keep, "Go on after the first sender, until interrupted");
  server::add_seconds(*receiving, "--idle-timeout", given.idle_timeout,
                      "After how long without a byte from a sender it is given up; 0: never");
  receiving->add_flag("--durable", given.durable, "Have each file on the disk before saying so");

  receiving->add_flag("--no-overwrite", given.no_overwrite,
                      "Leave files and links that are there as they are, and say so: a failure");

  for (CLI::App* const each : {sending, receiving}) {
    each->add_flag("--quiet", given.quiet, "Show no progress");
    each->add_flag("--json", given.json, "Print the summary as JSON, on one line");
  }
  if (auto said = command_line::read(app, argc, argv)) return std::move(*said);
  given.command = sending->parsed() ? arguments::command::send : arguments::command::receive;
  return given;
}

}  // namespace ship
