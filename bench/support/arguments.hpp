#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace bench {

/// What every program of the suite can be told.
struct arguments {
  unsigned rounds = 7;          // that count; one to warm up comes before
  bool quick = false;           // little work and two rounds: does everything run?
  std::string directory = ".";  // where test data goes: a real disk, not tmpfs
  std::string json;             // a file for the results, if not empty
};

/// Parses the command line, with options of the program's own, and runs it; the exit status.
///
/// `describe` is given the parser to add options to. Failures are printed.
int run_program(int argc, char** argv, const std::string& about,
                const std::function<void(CLI::App&)>& describe,
                const std::function<void(const arguments&)>& work);

}  // namespace bench
