#include <doctest/doctest.h>

#include <chrono>

#include "../examples/ship/session.hpp"
#include "support/descriptors.hpp"

// When a receiver takes its sender for silent.

TEST_SUITE_BEGIN("unit");

using std::chrono::steady_clock;

TEST_CASE("ship: a sender is not silent while what it sent waits for the disk") {
  ship::session one((ship::wire::hello()));
  const support::ends pair = support::unix_pair();
  one.taken_from.insert(pair.first.get());
  const steady_clock::time_point later = one.idle.since + std::chrono::hours(1);
  CHECK(one.idle_for(later) == std::chrono::hours(1));
  support::write_all(pair.second.get(), "bytes");
  CHECK(one.idle_for(later) == steady_clock::duration::zero());
  CHECK(one.idle_for(later + std::chrono::hours(1)) == steady_clock::duration::zero());
  // Until the rest of the file is what is waited for.
  support::read_some(pair.first.get(), 5);
  CHECK(one.idle_for(later + std::chrono::hours(3)) == std::chrono::hours(2));
}

TEST_CASE("ship: a sender that does not take its answers is silent, whatever else it sent") {
  ship::session one((ship::wire::hello()));
  const support::ends pair = support::unix_pair();
  support::write_all(pair.second.get(), "bytes");
  CHECK(one.idle_for(one.idle.since + std::chrono::hours(1)) == std::chrono::hours(1));
}

TEST_SUITE_END();
