#include "command_line/command_line.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <sstream>

namespace command_line {

std::optional<explanation> read(CLI::App& app, int argc, const char* const* argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (const CLI::ParseError& stopped) {
    std::ostringstream out;
    std::ostringstream err;
    // Its own codes tell one mistake from another, which no script asks for.
    const bool wrong = app.exit(stopped, out, err) != 0;
    return explanation{out.str(), err.str(), wrong ? exit_wrong_usage : 0};
  }
}

int say(const explanation& what) {
  std::fputs(what.out.c_str(), stdout);
  std::fputs(what.err.c_str(), stderr);
  return what.exit_code;
}

}  // namespace command_line
