#pragma once

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "support/require.hpp"
#include "tee.hpp"

namespace baseline {

/// Some sockets that get a piece each. The next piece comes when all have the last one.
class to_all {
 public:
  explicit to_all(std::span<const int> sockets)
      : set_(bench::require(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")) {
    for (const int socket : sockets) {
      epoll_event wanted{.events = EPOLLOUT | EPOLLET, .data = {.u64 = all_.size()}};
      bench::require(::epoll_ctl(set_, EPOLL_CTL_ADD, socket, &wanted), "epoll_ctl");
      all_.push_back({socket, 0});
    }
  }
  to_all(const to_all&) = delete;
  to_all& operator=(const to_all&) = delete;
  ~to_all() { ::close(set_); }

  std::size_t size() const { return all_.size(); }

  /// `send(socket, index, sent)` sends what is left of `bytes` after the first `sent`, and gives
  /// what its system call gave.
  template <class Send>
  void give(std::size_t bytes, const Send& send) {
    std::size_t open = 0;
    for (std::size_t index = 0; index < all_.size(); ++index) {
      all_[index].left = bytes;
      if (!fill(index, bytes, send)) ++open;
    }
    std::array<epoll_event, 64> events;
    while (open > 0) {
      const int count = bench::require(
          ::epoll_wait(set_, events.data(), static_cast<int>(events.size()), -1), "epoll_wait");
      for (int at = 0; at < count; ++at) {
        const std::size_t index = events[static_cast<std::size_t>(at)].data.u64;
        if (all_[index].left > 0 && fill(index, bytes, send)) --open;
      }
    }
  }

 private:
  struct target {
    int socket;
    std::size_t left;
  };

  /// False where the socket takes no more.
  template <class Send>
  bool fill(std::size_t index, std::size_t bytes, const Send& send) {
    target& to = all_[index];
    while (to.left > 0) {
      const ssize_t sent = send(to.socket, index, bytes - to.left);
      if (sent < 0 && errno == EAGAIN) return false;
      to.left -= static_cast<std::size_t>(bench::require(sent, "send"));
    }
    return true;
  }

  int set_;
  std::vector<target> all_;
};

/// Calls `read()`, and waits for the socket as long as it has nothing.
template <class Read>
std::size_t read_or_wait(int socket, const Read& read) {
  for (;;) {
    const ssize_t got = read();
    if (got >= 0 || errno != EAGAIN) return static_cast<std::size_t>(bench::require(got, "read"));
    pollfd wanted{.fd = socket, .events = POLLIN, .revents = 0};
    bench::require(::poll(&wanted, 1, -1), "poll");
  }
}

}  // namespace baseline
