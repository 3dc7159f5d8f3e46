// Random relays, disturbed at random: that every byte and every end of them is accounted for, and
// that it would be seen if one were not.

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

#include "relays/step.hpp"

namespace {

void walk(std::uint64_t seed, std::uint64_t steps) {
  for (std::uint64_t step = 0; step < steps; ++step) {
    const relays::plan drawn = relays::draw(seed, step);
    INFO("seed " << seed << " step " << step << ": " << relays::to_text(drawn));
    CHECK(relays::problems_of(drawn, relays::run(drawn)) == "");
  }
}

}  // namespace

TEST_SUITE_BEGIN("unit");

TEST_CASE("relays: a plan is drawn from its numbers alone, and ends") {
  for (std::uint64_t step = 0; step < 300; ++step) {
    const relays::plan drawn = relays::draw(7, step);
    CAPTURE(relays::to_text(drawn));
    CHECK(relays::to_text(drawn) == relays::to_text(relays::draw(7, step)));
    CHECK(relays::to_text(drawn) != relays::to_text(relays::draw(8, step)));
    for (const relays::relay_plan& each : drawn.relays) {
      const bool bounded =
          each.idle_us + each.total_us + each.deadline_us + each.cancel_us > 0 || !may_last(each);
      CHECK(bounded);
    }
  }
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("kernel");

TEST_CASE("relays: every byte and every end of some random ones is accounted for") { walk(1, 40); }

TEST_CASE("relays: what is not as it was done is found") {
  relays::plan plain;
  plain.relays.resize(1);
  plain.relays[0].ends[0].says = 5000;
  plain.relays[0].ends[1].says = 300;
  const auto problems_after = [&plain](auto spoil) {
    relays::observation seen = relays::run(plain);
    spoil(seen.relays[0]);
    return relays::problems_of(plain, seen);
  };
  using relays::seen_relay;
  CHECK(problems_after([](seen_relay&) {}) == "");
  CHECK(problems_after([](seen_relay& of) { of.ways[0].received.pop_back(); }) != "");
  CHECK(problems_after([](seen_relay& of) { of.ways[1].received += '?'; }) != "");
  CHECK(problems_after([](seen_relay& of) { of.ways[0].received[77] ^= 1; }) != "");
  CHECK(problems_after([](seen_relay& of) { ++of.ways[0].done.taken; }) != "");
  CHECK(problems_after([](seen_relay& of) { --of.ways[1].done.moved; }) != "");
  CHECK(problems_after([](seen_relay& of) { ++of.ways[1].said; }) != "");
  CHECK(problems_after([](seen_relay& of) { of.ways[1].starved = true; }) != "");
  CHECK(problems_after([](seen_relay& of) { of.flags_kept = false; }) != "");
  CHECK(problems_after([](seen_relay& of) { of.gave_up = true; }) != "");
  for (const zc::stop_reason other : {zc::stop_reason::cancelled, zc::stop_reason::timed_out,
                                      zc::stop_reason::failed, zc::stop_reason::complete}) {
    CHECK(problems_after([other](seen_relay& of) { of.ways[0].done.reason = other; }) != "");
  }
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("slow");

TEST_CASE("relays: every byte and every end of hundreds of random ones is accounted for") {
  walk(2, 250);
}

TEST_SUITE_END();
