#include "arguments.hpp"

#include <CLI/CLI.hpp>
#include <utility>

namespace file_server {

std::variant<arguments, explanation> parse_arguments(int argc, const char* const* argv) {
  CLI::App app("Serves the files of a directory over HTTP/1.1.");
  arguments given;
  app.add_option("--root", given.root, "The directory; nothing outside of it is served")
      ->type_name("DIR")
      ->required();
  server::add_options(app, given.server);
  server::add_seconds(app, "--header-timeout", given.limits.head,
                      "How long a request may take to arrive, once it has begun")
      ->check(server::refuse_zero);
  server::add_seconds(app, "--idle-timeout", given.limits.idle,
                      "How long a connection may have no request")
      ->check(server::refuse_zero);
  server::add_seconds(app, "--send-timeout", given.limits.send,
                      "How long a client may take no byte of its answer")
      ->check(server::refuse_zero);
  app.add_flag(
      "--file-cache", given.file_cache,
      "Keep files open for a second, up to 1000 of each thread: changes are seen that late");
  app.add_flag("--access-log", given.access_log,
               "Write a line for each request to standard error, which is waited for");
  if (auto said = command_line::read(app, argc, argv)) return std::move(*said);
  return given;
}

}  // namespace file_server
