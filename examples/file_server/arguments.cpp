#include "arguments.hpp"

#include <CLI/CLI.hpp>
#include <map>
#include <utility>

#include "content_arguments.hpp"

namespace file_server {

namespace {

const std::map<std::string, log_format> log_formats{
    {"common", log_format::common}, {"combined", log_format::combined}, {"json", log_format::json}};

}  // namespace

std::variant<arguments, explanation> parse_arguments(int argc, const char* const* argv) {
  CLI::App app("Serves the files of a directory over HTTP/1.1.");
  app.footer("A request for more than 16 ranges of a file is answered with all of it.");
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
  add_content_options(app, given.content);
  app.add_flag(
      "--file-cache", given.file_cache,
      "Keep files open for a second, up to 1000 of each thread: changes are seen that late");
  auto* const log =
      app.add_flag("--access-log", given.access_log,
                   "Write a line for each request to standard error, which is waited for");
  app.add_option("--log-file", given.log_file, "Append these lines to a file instead")
      ->type_name("FILE")
      ->needs(log);
  const auto set_format = [&given](const std::string& name) {
    given.log_format = log_formats.at(name);
  };
  app.add_option_function<std::string>(
         "--log-format", set_format,
         "What these lines look like: the Common Log Format, the same with Referer and User-Agent, "
         "or an object of JSON each")
      ->check(CLI::IsMember({"common", "combined", "json"}))
      ->type_name("FORMAT")
      ->default_str("combined")
      ->needs(log);
  app.add_flag("--accept-proxy", given.accept_proxy,
               "Have clients' addresses told by the PROXY protocol, of either version, and serve\n"
               "nobody who does not: for a port that only proxies can reach");
  if (auto said = command_line::read(app, argc, argv)) return std::move(*said);
  return given;
}

}  // namespace file_server
