// The command line of ship: one argument a line.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "../examples/ship/arguments.hpp"
#include "require.hpp"

namespace {

using ship::arguments;

std::variant<arguments, ship::explanation> parse(const std::vector<std::string>& words) {
  std::vector<const char*> raw{"ship"};
  for (const std::string& each : words) raw.push_back(each.c_str());
  return ship::parse_arguments(static_cast<int>(raw.size()), raw.data());
}

std::string seconds(std::chrono::milliseconds time) {
  const std::string rest = std::to_string(time.count() % 1000 + 1000);
  return std::to_string(time.count() / 1000) + "." + rest.substr(1);
}

/// The same in its plainest form.
std::vector<std::string> again(const arguments& given) {
  const bool sends = given.command == arguments::command::send;
  std::vector<std::string> words{sends ? "send" : "receive"};
  if (sends) {
    words.push_back("--connections");
    words.push_back(std::to_string(given.connections));
  }
  words.push_back(sends ? "--connect-timeout" : "--idle-timeout");
  words.push_back(seconds(sends ? given.connect_timeout : given.idle_timeout));
  if (given.keep) words.push_back("--keep");
  if (given.durable) words.push_back("--durable");
  if (given.no_overwrite) words.push_back("--no-overwrite");
  if (given.quiet) words.push_back("--quiet");
  if (given.json) words.push_back("--json");
  words.push_back("--");
  words.push_back(zc::to_string(given.address));
  words.insert(words.end(), given.paths.begin(), given.paths.end());
  if (!sends) words.push_back(given.directory);
  return words;
}

bool same(const arguments& a, const arguments& b) {
  return a.command == b.command && a.address == b.address && a.paths == b.paths &&
         a.directory == b.directory && a.connections == b.connections && a.keep == b.keep &&
         a.connect_timeout == b.connect_timeout && a.idle_timeout == b.idle_timeout &&
         a.durable == b.durable && a.no_overwrite == b.no_overwrite && a.quiet == b.quiet &&
         a.json == b.json;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::string> words;
  std::istringstream lines(std::string(reinterpret_cast<const char*>(data), size));
  for (std::string each; std::getline(lines, each);) words.push_back(each.c_str());

  const auto parsed = parse(words);
  if (const auto* const said = std::get_if<ship::explanation>(&parsed)) {
    require(!(said->exit_code == 0 ? said->out : said->err).empty(), "a refusal says something");
    return 0;
  }
  const auto& given = std::get<arguments>(parsed);
  require(given.connections >= 1 && given.connections <= 64, "connections are within their limit");
  require(given.paths.empty() == (given.command == arguments::command::receive),
          "there is something to send, and nothing else to receive");
  const auto reparsed = parse(again(given));
  const auto* const second = std::get_if<arguments>(&reparsed);
  require(second != nullptr && same(given, *second), "a command line is what was parsed");
  return 0;
}
