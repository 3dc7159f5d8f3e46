#pragma once

#include <optional>
#include <string>

namespace CLI {
class App;
}  // namespace CLI

/// What the programs with a command line have in common.
namespace command_line {

/// With 0 for success, what a program exits with: something failed, or nothing was tried, because
/// what was asked for makes no sense.
inline constexpr int exit_failed = 1;
inline constexpr int exit_wrong_usage = 2;

/// What there is to say to a command line that asks for help, or for nothing that can be done.
struct explanation {
  std::string out;  // for standard output
  std::string err;  // for standard error
  int exit_code = 0;
};

/// Has `app` read a command line, `argv[0]` being the program's name. Empty where the program is to
/// go on.
std::optional<explanation> read(CLI::App& app, int argc, const char* const* argv);

/// Prints it; gives what to exit with.
int say(const explanation& what);

}  // namespace command_line
