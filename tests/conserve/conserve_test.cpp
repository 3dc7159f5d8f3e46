// The conservation model: that it holds for zc, and that it would be seen if it did not.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

#include "conserve/draw.hpp"
#include "conserve/expect.hpp"
#include "conserve/guard.hpp"
#include "conserve/shrink.hpp"

using namespace std::chrono_literals;
using conserve::kind;

namespace {

/// What there is on this machine.
const conserve::choices& choices() {
  static const conserve::choices here = conserve::choices_here(conserve::workspace());
  return here;
}

/// What there is anywhere.
conserve::choices all_choices() {
  conserve::choices all;
  for (std::size_t i = 0; i < conserve::kind_names.size(); ++i) {
    const auto each = static_cast<kind>(i);
    if (conserve::is_source(each)) all.sources.push_back(each);
    if (conserve::is_target(each)) all.targets.push_back(each);
  }
  all.limits = {conserve::limit::plain_user, conserve::limit::descriptors,
                conserve::limit::file_size};
  return all;
}

/// Steps of one seed, for as long as there is time.
void walk(std::uint64_t seed, std::uint64_t steps, std::chrono::seconds time) {
  conserve::guard guard(60s);
  const auto until = std::chrono::steady_clock::now() + time;
  for (std::uint64_t step = 0; step < steps; ++step) {
    const bool in_time = step == 0 || std::chrono::steady_clock::now() < until;
    if (!in_time) break;
    const conserve::schedule drawn = conserve::draw(seed, step, choices());
    const conserve::verdict seen = guard.run(drawn);
    INFO("seed " << seed << " step " << step << ": conserve --replay '" << conserve::to_line(drawn)
                 << "'");
    CHECK(seen.problems == "");
  }
}

/// Transfers with much about them that has nothing to do with the fault in one of their moves.
conserve::schedule crowded(conserve::fault fault) {
  conserve::schedule made = conserve::from_line(
      "salt=5 pipes=3 pipe_bytes=65536 "
      "lane from=tcp to=memfd size=30000 out_offset=77 out_size=100 ending=close deadline_us=30000 "
      "lane from=file to=memfd size=70000 offset=5 flags=4 start_us=3000 deadline_us=30000 "
      "lane from=unix to=tcp size=20000 flags=1 start_us=3000 deadline_us=30000 dup2=1");
  made.fault = fault;
  made.fault_at = fault == conserve::fault::none ? 0 : 1;
  conserve::normalise(made);
  return made;
}

/// What is found of a fault. On a busy machine all the deadlines may be over before the faulty
/// move.
std::string problems_with(const conserve::schedule& faulty) {
  conserve::guard guard(60s);
  std::string problems;
  for (int i = 0; i < 20 && problems.empty(); ++i) problems = guard.run(faulty).problems;
  return problems;
}

/// Finds a planted fault, and shortens the schedule until it `is_short`. How the fault shows first
/// is chance, and some ways lead to a schedule that is not short and has nothing simpler beside it
/// that fails in that way: then it begins again. Who comes to the end of `limit` gets the shortest
/// of the last try.
conserve::shrunk find(conserve::fault fault, std::chrono::seconds limit,
                      const std::function<bool(const conserve::schedule&)>& is_short) {
  // That some schedules hang is a part of these faults; the others take milliseconds.
  conserve::guard guard(3s);
  const conserve::schedule faulty = crowded(fault);
  const auto until = std::chrono::steady_clock::now() + limit;
  for (;;) {
    const std::string problems = problems_with(faulty);
    REQUIRE(problems != "");
    conserve::shrunk less = conserve::shrink(faulty, problems, guard, 3, limit / 4, is_short);
    const bool is_enough = less.reproduced && is_short(less.shortest);
    if (is_enough || std::chrono::steady_clock::now() >= until) return less;
  }
}

}  // namespace

TEST_SUITE_BEGIN("unit");

TEST_CASE("conserve: a schedule is drawn from its numbers alone, and read back from its line") {
  const conserve::choices from = all_choices();
  for (std::uint64_t step = 0; step < 300; ++step) {
    const conserve::schedule drawn = conserve::draw(7, step, from);
    CAPTURE(conserve::to_line(drawn));
    CHECK_FALSE(drawn.lanes.empty());
    const bool same = drawn == conserve::draw(7, step, from);
    CHECK(same);
    const bool read_back = drawn == conserve::from_line(conserve::to_line(drawn));
    CHECK(read_back);
    const bool another = drawn == conserve::draw(8, step, from);
    CHECK_FALSE(another);
  }
  CHECK_THROWS_WITH_AS(conserve::from_line("lane from=nowhere"), "not understood: from=nowhere",
                       std::invalid_argument);
  CHECK_THROWS_AS(conserve::from_line("size=1"), std::invalid_argument);
  CHECK_THROWS_AS(conserve::from_line("lane size=1x"), std::invalid_argument);
}

TEST_CASE("conserve: what is drawn is definite, and ends") {
  const conserve::choices from = all_choices();
  for (std::uint64_t step = 0; step < 300; ++step) {
    const conserve::schedule drawn = conserve::draw(9, step, from);
    CAPTURE(conserve::to_line(drawn));
    conserve::schedule again = drawn;
    conserve::normalise(again);
    const bool definite = again == drawn;
    CHECK(definite);
    for (const conserve::lane& each : drawn.lanes) {
      CHECK_FALSE(conserve::allowed_endings(drawn, each, 400).empty());
      const bool bounded =
          !conserve::may_wait_for_ever(each) || each.cancel_us != 0 || each.deadline_us != 0;
      CHECK(bounded);
    }
  }
}

TEST_CASE("conserve: what is simpler comes to an end") {
  conserve::schedule what = conserve::draw(3, 5, all_choices());
  int steps = 0;
  for (;; ++steps) {
    REQUIRE(steps < 100'000);
    const std::vector<conserve::schedule> simpler = conserve::simpler_than(what);
    if (simpler.empty()) break;
    what = simpler[static_cast<std::size_t>(steps) % simpler.size()];
  }
  CHECK(what.lanes.size() == 1);
  CAPTURE(conserve::to_line(what));
  const bool is_plain = what.lanes[0] == conserve::lane();
  CHECK(is_plain);
}

TEST_CASE("conserve: without a disturbance only one ending is allowed") {
  struct row {
    const char* line;
    const char* ending;
  };
  for (const row& at : {
           row{"lane size=10", "complete moved 10 taken <= 10"},
           row{"lane size=10 offset=4 nbytes=3", "complete moved 3 taken <= 3"},
           row{"lane size=10 offset=11",
               "failed (in: Value too large for defined data type) moved 0 taken <= 0"},
           row{"lane from=pipe size=10", "end_of_file moved 10 taken <= 10"},
           row{"lane from=pipe size=10 nbytes=10", "complete moved 10 taken <= 10"},
           row{"lane from=pipe to=tcp size=10 offset=1",
               "failed (in: Illegal seek) moved 0 taken <= 0"},
           row{"lane to=append size=10 route=ring",
               "failed (out: Invalid argument) moved 0 taken <= 0"},
           row{"lane from=tcp to=file size=10 route=direct",
               "failed (in: Invalid argument) moved 0 taken <= 0"},
           row{"lane to=full_disk size=9000 out_room=8192",
               "failed (out: No space left on device) moved 8192 taken <= 9000"},
           row{"limit=file_size limit_at=7 lane size=10 out_offset=2",
               "failed (out: File too large) moved 5 taken <= 10"},
       }) {
    CAPTURE(at.line);
    const conserve::schedule one = conserve::from_line(at.line);
    const auto allowed = conserve::allowed_endings(one, one.lanes[0], 0);
    REQUIRE(allowed.size() == 1);
    CHECK(conserve::to_text(allowed[0]) == at.ending);
  }
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("kernel");

TEST_CASE("conserve: every byte of some random transfers is accounted for") { walk(1, 150, 3s); }

TEST_CASE("conserve: each kind of source and of target takes part") {
  conserve::guard guard(60s);
  conserve::schedule sources;
  for (const kind each : choices().sources) {
    sources.lanes.emplace_back();
    sources.lanes.back().from = each;
    sources.lanes.back().size = 3000;
  }
  conserve::schedule targets;
  for (const kind each : choices().targets) {
    targets.lanes.emplace_back();
    targets.lanes.back().to = each;
    targets.lanes.back().size = 3000;
    if (each == kind::full_disk) targets.lanes.back().out_room = 8192;
  }
  for (conserve::schedule* each : {&sources, &targets}) {
    conserve::normalise(*each);
    CAPTURE(conserve::to_line(*each));
    const conserve::verdict seen = guard.run(*each);
    CHECK(seen.problems == "");
    CHECK(seen.lanes.size() == each->lanes.size());
  }
}

TEST_CASE("conserve: a byte that the kernel loses, doubles or makes up is found") {
  conserve::guard guard(60s);
  CHECK(guard.run(crowded(conserve::fault::none)).problems == "");
  for (const conserve::fault fault : {conserve::fault::too_few, conserve::fault::too_many,
                                      conserve::fault::swallowed, conserve::fault::foreign}) {
    const conserve::schedule faulty = crowded(fault);
    CAPTURE(conserve::to_line(faulty));
    CHECK(problems_with(faulty) != "");
  }
}

TEST_CASE("conserve: what fails is shrunk to less that still fails") {
  const conserve::shrunk less =
      find(conserve::fault::foreign, 60s,
           [](const conserve::schedule& shortest) { return shortest.lanes.size() < 3; });
  CAPTURE(conserve::to_line(less.shortest));
  CHECK(less.reproduced);
  CHECK(less.problems != "");
  CHECK(less.shortest.lanes.size() < 3);
}

TEST_CASE("conserve: a step that never ends, or that kills its process, fails that step") {
  conserve::guard guard(2s);
  conserve::schedule stuck = conserve::from_line("fault=stuck lane size=5000");
  const auto began = std::chrono::steady_clock::now();
  const conserve::verdict hung = guard.run(stuck);
  CHECK(hung.hung);
  CHECK(hung.problems.find("has not ended after 2 s") == 0);
  CHECK(std::chrono::steady_clock::now() - began < 60s);
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("slow");

TEST_CASE("conserve: a fault in the kernel shrinks to one small transfer") {
  for (const conserve::fault fault : {conserve::fault::too_few, conserve::fault::too_many,
                                      conserve::fault::swallowed, conserve::fault::foreign}) {
    const conserve::shrunk less = find(fault, 120s, [](const conserve::schedule& shortest) {
      return shortest.lanes.size() == 1 && shortest.lanes[0].size < 10'000 &&
             shortest.lanes[0].out_size == 0 && shortest.pipes == conserve::schedule().pipes;
    });
    CAPTURE(conserve::to_line(less.shortest));
    CAPTURE(less.runs);
    CHECK(less.reproduced);
    CHECK(less.problems != "");
    REQUIRE(less.shortest.lanes.size() == 1);
    CHECK(less.shortest.lanes[0].size < 10'000);
    CHECK(less.shortest.pipes == conserve::schedule().pipes);
    CHECK(less.shortest.lanes[0].out_size == 0);
  }
}

TEST_CASE("conserve: every byte of thousands of random transfers is accounted for") {
  for (const std::uint64_t seed : {11u, 12u, 13u}) walk(seed, 700, 20s);
}

TEST_SUITE_END();
