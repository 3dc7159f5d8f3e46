#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "table.hpp"

namespace bench {

/// One way of doing the work of a table.
template <class Measured>
struct contender {
  std::string name;
  kind what;
  /// Does the work once. In the round that warms up it checks the bytes too, where it can.
  std::function<Measured(bool check)> once;
};

/// Runs all contenders in turn, once to warm up and then `rounds` times, each time beginning with
/// another one, and hands every result that counts to `keep`.
///
/// In turn, because the speed of a machine drifts: only what stands beside it in the same round may
/// be compared.
template <class Measured, class Keep>
void take_turns(unsigned rounds, const std::vector<contender<Measured>>& all, const Keep& keep) {
  for (unsigned round = 0; round <= rounds; ++round) {
    std::vector<Measured> results(all.size());
    for (std::size_t turn = 0; turn < all.size(); ++turn) {
      const std::size_t at = (turn + round) % all.size();
      std::fprintf(stderr, "\r\033[Kround %u of %u: %s", round, rounds, all[at].name.c_str());
      results[at] = all[at].once(round == 0);
    }
    for (std::size_t at = 0; at < all.size() && round > 0; ++at) keep(all[at], results[at]);
  }
  std::fprintf(stderr, "\r\033[K");
}

}  // namespace bench
