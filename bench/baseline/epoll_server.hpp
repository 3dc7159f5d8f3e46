#pragma once

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <vector>

#include "support/require.hpp"
#include "turns.hpp"

namespace baseline {

/// An epoll set in which every connection is, edge-triggered, so that none needs a second
/// epoll_ctl(2).
class epoll_set {
 public:
  explicit epoll_set(const std::vector<connection>& all)
      : set_(bench::require(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
    for (const connection& each : all) {
      epoll_event wanted{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.u64 = each.index}};
      bench::require(::epoll_ctl(set_, EPOLL_CTL_ADD, each.socket, &wanted), "epoll_ctl");
    }
  }

  epoll_set(const epoll_set&) = delete;
  epoll_set& operator=(const epoll_set&) = delete;
  ~epoll_set() { ::close(set_); }

  /// Calls `take(index)` for each connection of which there is news; waits for some if told to.
  template <class Take>
  void turn(bool wait, const Take& take) {
    const int count = bench::require(
        ::epoll_wait(set_, events_.data(), static_cast<int>(events_.size()), wait ? -1 : 0),
        "epoll_wait");
    for (int at = 0; at < count; ++at) take(events_[static_cast<std::size_t>(at)].data.u64);
  }

 private:
  int set_;
  std::array<epoll_event, 64> events_{};
};

/// A piece for each connection in turn. `send(connection)` sends the next piece of its answer.
template <class Send>
void serve_with_epoll(std::vector<connection> connections, const Send& send) {
  epoll_set epoll(connections);
  turns all(std::move(connections));
  std::size_t open = all.connections.size();
  while (open > 0) {
    epoll.turn(all.empty(), [&](std::size_t index) { all.add(index); });
    all.once_each([&](connection& each) {
      if (each.socket < 0) return false;
      if (!each.answering && !take_request(each)) {
        if (each.socket < 0) --open;
        return false;
      }
      const outcome sent = send(each);
      if (sent == outcome::done) each.answering = false;
      if (sent == outcome::over) {
        each.socket = -1;
        --open;
      }
      return sent == outcome::more;
    });
  }
}

}  // namespace baseline
