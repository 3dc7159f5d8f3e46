#include "arguments.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>

#include "measure.hpp"

namespace bench {

int run_program(int argc, char** argv, const std::string& about,
                const std::function<void(CLI::App&)>& describe,
                const std::function<void(const arguments&)>& work) {
  CLI::App app{about};
  arguments given;
  app.add_option("--rounds", given.rounds, "measured rounds, after one to warm up")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--quick", given.quick, "little work, 2 rounds: shows that everything runs");
  app.add_option("--dir", given.directory, "directory for test data, on a real disk")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  app.add_option("--json", given.json, "file to write the results to");
  describe(app);
  CLI11_PARSE(app, argc, argv);
  if (given.quick) given.rounds = std::min(given.rounds, 2U);
  ::signal(SIGPIPE, SIG_IGN);
  raise_descriptor_limit();
  cores();  // asks what is allowed before anything is pinned
  try {
    work(given);
    return 0;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s: %s\n", argv[0], failure.what());
    return 1;
  }
}

}  // namespace bench
