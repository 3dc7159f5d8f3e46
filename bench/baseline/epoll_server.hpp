#pragma once

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <span>

#include "support/require.hpp"
#include "turns.hpp"

namespace baseline {

/// Takes the request that the connection has for us. False where there is none, or no peer any more
/// (then the socket is forgotten: -1).
inline bool take_request(connection& from) {
  const ssize_t got = ::recv(from.socket, from.request.data(), from.request.size(), 0);
  if (got < 0 && errno == EAGAIN) return false;
  bench::require(got, "recv");
  if (got == 0) {
    from.socket = -1;
    return false;
  }
  from.answering = true;
  from.sent = 0;
  return true;
}

/// The usual loop: edge-triggered, so that no connection needs a second epoll_ctl(2).
///
/// `send(connection)` sends the next piece of its answer.
template <class Send>
void serve_with_epoll(std::span<const int> sockets, const Send& send) {
  const int epoll = bench::require(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  turns all(sockets);
  for (std::size_t index = 0; index < all.connections.size(); ++index) {
    epoll_event wanted{.events = EPOLLIN | EPOLLOUT | EPOLLET, .data = {.u64 = index}};
    bench::require(::epoll_ctl(epoll, EPOLL_CTL_ADD, all.connections[index].socket, &wanted),
                   "epoll_ctl");
  }
  std::size_t open = all.connections.size();
  std::array<epoll_event, 64> events;
  while (open > 0) {
    const int count = bench::require(
        ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), all.empty() ? -1 : 0),
        "epoll_wait");
    for (int at = 0; at < count; ++at) all.add(events[static_cast<std::size_t>(at)].data.u64);
    all.once_each([&](connection& each) {
      if (each.socket < 0) return false;
      if (!each.answering && !take_request(each)) {
        if (each.socket < 0) --open;
        return false;
      }
      const outcome sent = send(each);
      if (sent == outcome::done) each.answering = false;
      return sent == outcome::more;
    });
  }
  ::close(epoll);
}

}  // namespace baseline
