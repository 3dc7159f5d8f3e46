// conserve: tries for as long as one likes to have zc lose, double or invent a byte.

#include <CLI/CLI.hpp>
#include <chrono>
#include <exception>
#include <iostream>
#include <limits>
#include <string>

#include "conserve/draw.hpp"
#include "conserve/guard.hpp"
#include "conserve/shrink.hpp"
#include "conserve/statistics.hpp"

namespace {

struct settings {
  std::uint64_t seed = 1;
  double seconds = 60;
  std::uint64_t steps = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t first_step = 0;
  std::string replay;
  std::uint64_t times = 1;
  unsigned bound_seconds = 60;
  bool verbose = false;
  bool keep_going = false;
  bool no_shrinking = false;
};

settings parse(int argc, char** argv) {
  settings with;
  CLI::App app("Moves bytes at random, disturbs it at random, and accounts for every byte.");
  app.add_option("--seed", with.seed, "What to draw from; the same seed draws the same steps");
  app.add_option("--seconds", with.seconds, "How long to go on");
  app.add_option("--steps", with.steps, "How many steps at most");
  app.add_option("--first-step", with.first_step, "The step to begin with");
  app.add_option("--replay", with.replay, "Run one schedule, as printed by a failure");
  app.add_option("--times", with.times, "How often to replay it");
  app.add_option("--bound", with.bound_seconds, "Seconds after which a step hangs");
  app.add_flag("--verbose", with.verbose, "Print each step");
  app.add_flag("--keep-going", with.keep_going, "Go on after a failure");
  app.add_flag("--no-shrink", with.no_shrinking, "Do not look for a shorter schedule that fails");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  return with;
}

class run {
 public:
  explicit run(const settings& with)
      : with_(with), guard_(std::chrono::seconds(with.bound_seconds)) {}

  int all() {
    const auto began = std::chrono::steady_clock::now();
    const auto passed = [&] {
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    };
    if (!with_.replay.empty()) {
      const conserve::schedule one = conserve::from_line(with_.replay);
      for (std::uint64_t i = 0; i < with_.times && go_on(); ++i) try_one(one, "replay");
    } else {
      const conserve::choices from = conserve::choices_here(conserve::workspace());
      for (std::uint64_t i = 0; i < with_.steps && passed() < with_.seconds && go_on(); ++i) {
        const std::uint64_t step = with_.first_step + i;
        try_one(conserve::draw(with_.seed, step, from),
                "seed " + std::to_string(with_.seed) + " step " + std::to_string(step));
      }
    }
    statistics_.print(std::cout, passed());
    return failures_ == 0 ? 0 : 1;
  }

 private:
  bool go_on() const { return failures_ == 0 || with_.keep_going; }

  void try_one(const conserve::schedule& one, const std::string& name) {
    if (with_.verbose) std::cout << name << ": " << conserve::to_line(one) << std::endl;
    const conserve::verdict seen = guard_.run(one);
    statistics_.count(one, seen);
    if (seen.problems.empty()) return;
    ++failures_;
    std::cout << "FAILED: " << name << '\n'
              << seen.problems << "  --replay '" << conserve::to_line(one) << "'" << std::endl;
    if (with_.no_shrinking) return;
    // What hangs need not hang as long again.
    conserve::guard quick(std::min(guard_.bound(), std::chrono::seconds(seen.hung ? 10 : 60)));
    const conserve::shrunk less =
        conserve::shrink(one, seen.problems, quick, 5, std::chrono::seconds(120));
    if (!less.reproduced) {
      std::cout << "did not fail again in " << less.runs << " runs" << std::endl;
      return;
    }
    std::cout << "shrunk in " << less.runs << " runs to\n"
              << less.problems << "  --replay '" << conserve::to_line(less.shortest) << "'"
              << std::endl;
  }

  const settings& with_;
  conserve::guard guard_;
  conserve::statistics statistics_;
  std::uint64_t failures_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const settings with = parse(argc, argv);
  try {
    return run(with).all();
  } catch (const std::exception& error) {
    std::cerr << "conserve: " << error.what() << '\n';
    return 2;
  }
}
