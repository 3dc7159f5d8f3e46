#pragma once

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <vector>

#include "receive.hpp"
#include "support/require.hpp"

namespace baseline {

struct incoming {
  int from = -1;  // -1 when it has ended
  int to = -1;
  std::size_t index = 0;
  off_t at = 0;                // in the file
  std::size_t in_between = 0;  // bytes taken, and not yet accepted
};

/// Edge-triggered, so that no socket needs a second epoll_ctl(2).
///
/// `move(incoming)` moves what it can: until `from` has nothing more, or `to` takes no more. True
/// when `from` has ended and nothing is in between.
template <class Move>
void receive_until_empty(const receiving& what, const Move& move) {
  const int set = bench::require(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  std::vector<incoming> all;
  const auto watch = [&](int fd, unsigned events, std::size_t index) {
    epoll_event wanted{.events = events | EPOLLET, .data = {.u64 = index}};
    bench::require(::epoll_ctl(set, EPOLL_CTL_ADD, fd, &wanted), "epoll_ctl");
  };
  for (std::size_t index = 0; index < what.from.size(); ++index) {
    all.push_back({.from = what.from[index], .to = what.to[index], .index = index});
    watch(what.from[index], EPOLLIN, index);
    if (!what.to_files) watch(what.to[index], EPOLLOUT, index);
  }
  std::array<epoll_event, 64> events;
  for (std::size_t open = all.size(); open > 0;) {
    const int count = bench::require(
        ::epoll_wait(set, events.data(), static_cast<int>(events.size()), -1), "epoll_wait");
    for (int at = 0; at < count; ++at) {
      incoming& next = all[events[static_cast<std::size_t>(at)].data.u64];
      if (next.from < 0 || !move(next)) continue;
      next.from = -1;
      --open;
    }
  }
  ::close(set);
}

}  // namespace baseline
