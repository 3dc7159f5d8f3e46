// Random tees, disturbed at random: that every byte is accounted for at every target, and that it
// would be seen if one were not.

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

#include "tees/step.hpp"

namespace {

void walk(std::uint64_t seed, std::uint64_t steps) {
  for (std::uint64_t step = 0; step < steps; ++step) {
    const tees::plan drawn = tees::draw(seed, step);
    INFO("seed " << seed << " step " << step << ": " << tees::to_text(drawn));
    CHECK(tees::problems_of(drawn, tees::run(drawn)) == "");
  }
}

}  // namespace

TEST_SUITE_BEGIN("unit");

TEST_CASE("tees: a plan is drawn from its numbers alone, and ends") {
  for (std::uint64_t step = 0; step < 300; ++step) {
    const tees::plan drawn = tees::draw(7, step);
    CAPTURE(tees::to_text(drawn));
    CHECK(tees::to_text(drawn) == tees::to_text(tees::draw(7, step)));
    CHECK(tees::to_text(drawn) != tees::to_text(tees::draw(8, step)));
    for (const tees::tee_plan& each : drawn.tees) {
      const bool bounded = each.deadline_us + each.cancel_us > 0 || !may_last(each);
      CHECK(bounded);
    }
  }
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("kernel");

TEST_CASE("tees: every byte of some random ones is accounted for at every target") { walk(1, 100); }

TEST_CASE("tees: what is not as it was done is found") {
  tees::plan plain;
  plain.tees.resize(1);
  tees::tee_plan& call = plain.tees[0];
  call.source.from = tees::kind::tcp;
  call.source.size = 5000;
  call.targets.resize(2, call.source);
  call.targets[1].to = tees::kind::unix_stream;
  const auto problems_after = [&plain](auto spoil) {
    tees::observation seen = tees::run(plain);
    spoil(seen.tees[0]);
    return tees::problems_of(plain, seen);
  };
  using tees::seen_tee;
  CHECK(problems_after([](seen_tee&) {}) == "");
  CHECK(problems_after([](seen_tee& of) { of.targets[0].received.pop_back(); }) != "");
  CHECK(problems_after([](seen_tee& of) { of.targets[1].received += '?'; }) != "");
  CHECK(problems_after([](seen_tee& of) { of.targets[1].received[77] ^= 1; }) != "");
  CHECK(problems_after([](seen_tee& of) { ++of.targets[0].done.taken; }) != "");
  CHECK(problems_after([](seen_tee& of) { --of.targets[1].done.moved; }) != "");
  CHECK(problems_after([](seen_tee& of) { of.targets[1].starved = true; }) != "");
  CHECK(problems_after([](seen_tee& of) { ++of.fed; }) != "");
  CHECK(problems_after([](seen_tee& of) { --of.progress; }) != "");
  CHECK(problems_after([](seen_tee& of) { of.flags_kept = false; }) != "");
  CHECK(problems_after([](seen_tee& of) { of.gave_up = true; }) != "");
  for (const zc::stop_reason other : {zc::stop_reason::cancelled, zc::stop_reason::timed_out,
                                      zc::stop_reason::failed, zc::stop_reason::complete}) {
    CHECK(problems_after([other](seen_tee& of) { of.targets[0].done.reason = other; }) != "");
  }
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("slow");

TEST_CASE("tees: every byte of a thousand random ones is accounted for at every target") {
  walk(2, 1000);
}

TEST_SUITE_END();
