#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "../examples/tcp_relay/statistics.hpp"

TEST_SUITE_BEGIN("unit");

namespace {

using tcp_relay::outcome;
using tcp_relay::outcome_of;
using tcp_relay::statistics;
using tcp_relay::totals;
using zc::side;
using zc::stop_reason;

/// A relay that ended like this, one way and the other.
zc::relay_result relay_of(std::pair<stop_reason, side> up, std::pair<stop_reason, side> down) {
  zc::relay_result done;
  done.a_to_b.reason = up.first;
  done.a_to_b.side = up.second;
  done.b_to_a.reason = down.first;
  done.b_to_a.side = down.second;
  return done;
}

totals sum_of(const statistics& of) {
  totals all;
  of.add_to(all);
  return all;
}

}  // namespace

TEST_CASE("tcp_relay: what became of a connection follows from what its relay says") {
  const std::pair ended(stop_reason::end_of_file, side::none);
  const std::pair cancelled(stop_reason::cancelled, side::none);
  const std::pair late(stop_reason::timed_out, side::none);
  const std::pair in(stop_reason::failed, side::in);
  const std::pair out(stop_reason::failed, side::out);
  const std::pair zc(stop_reason::failed, side::zc);
  CHECK(outcome_of(relay_of(ended, ended)) == outcome::ended);
  CHECK(outcome_of(relay_of(late, late)) == outcome::idle);
  CHECK(outcome_of(relay_of(ended, late)) == outcome::idle);
  CHECK(outcome_of(relay_of(cancelled, cancelled)) == outcome::cancelled);
  CHECK(outcome_of(relay_of(ended, cancelled)) == outcome::cancelled);
  CHECK(outcome_of(relay_of(in, cancelled)) == outcome::client_reset);
  CHECK(outcome_of(relay_of(ended, out)) == outcome::client_reset);
  CHECK(outcome_of(relay_of(out, cancelled)) == outcome::upstream_reset);
  CHECK(outcome_of(relay_of(cancelled, in)) == outcome::upstream_reset);
  CHECK(outcome_of(relay_of(zc, cancelled)) == outcome::failed);
}

TEST_CASE("tcp_relay: connections are counted while they are, and their bytes too") {
  statistics count;
  auto first = std::make_unique<statistics::visit>(count);
  auto second = std::make_unique<statistics::visit>(count);
  auto third = std::make_unique<statistics::visit>(count);
  first->to_upstream.moved = 10;
  second->to_upstream.moved = 1;
  second->to_client.moved = 2;
  CHECK(sum_of(count).accepted == 3);
  CHECK(sum_of(count).active == 3);
  CHECK(sum_of(count).bytes_to_upstream == 11);

  second->what = outcome::ended;
  second.reset();
  CHECK(sum_of(count).active == 2);
  CHECK(sum_of(count).of(outcome::ended) == 1);
  CHECK(sum_of(count).bytes_to_upstream == 11);
  first.reset();
  third.reset();
  CHECK(sum_of(count).active == 0);
  CHECK(sum_of(count).of(outcome::cancelled) == 2);
  CHECK(sum_of(count).bytes_to_upstream == 11);
  CHECK(sum_of(count).bytes_to_client == 2);
}

TEST_CASE("tcp_relay: several threads' statistics are one sum, also while they count") {
  statistics one;
  statistics other;
  totals all;
  {
    const auto work = [](statistics& in) {
      for (int i = 0; i < 1000; ++i) {
        statistics::visit here(in);
        here.to_client.moved = 1;
        here.what = outcome::ended;
      }
    };
    const std::jthread first(work, std::ref(one));
    const std::jthread second(work, std::ref(other));
    for (int i = 0; i < 100; ++i) CHECK(sum_of(one).active <= 1);
  }
  one.add_to(all);
  other.add_to(all);
  CHECK(all.accepted == 2000);
  CHECK(all.of(outcome::ended) == 2000);
  CHECK(all.bytes_to_client == 2000);
}

TEST_CASE("tcp_relay: statistics for people and for programs say the same") {
  totals all;
  all.accepted = 9;
  all.active = 1;
  all.bytes_to_upstream = 1000;
  all.bytes_to_client = 2000;
  for (std::size_t i = 0; i < tcp_relay::outcomes; ++i) all.by_outcome[i] = 10 + i;
  CHECK(for_people(all) ==
        "9 accepted, 1 active, 1000 bytes to the upstream, 2000 to clients; 10 ended, 11 refused "
        "by the upstream, 12 not answered by it, 13 without a PROXY header, 14 idle for too long, "
        "15 reset by the client, 16 reset by the upstream, 17 cancelled, 18 failed here");
  CHECK(for_programs(all) ==
        R"({"accepted":9,"active":1,"bytes_to_upstream":1000,"bytes_to_client":2000,"ended":10,)"
        R"("refused":11,"connect_timed_out":12,"bad_header":13,"idle":14,"client_reset":15,)"
        R"("upstream_reset":16,"cancelled":17,"failed":18})");
}

TEST_SUITE_END();
