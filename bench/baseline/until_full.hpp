#pragma once

#include "epoll_server.hpp"

namespace baseline {

/// Sends to one connection until its socket takes no more, or there is nothing to send now. False
/// when its last file is sent.
///
/// A request that comes later is told of by an edge of its own: nobody looks whether there is one.
template <class Send>
bool fill(connection& to, const Send& send) {
  if (!to.answering && !take_request(to)) {
    if (to.socket < 0) throw std::runtime_error("a client went away");
    return true;
  }
  outcome sent = outcome::more;
  while (sent == outcome::more) sent = send(to);
  if (sent == outcome::done) to.answering = false;
  return sent != outcome::over;
}

/// The loop that serves one connection as long as it can, before it goes to the next one.
template <class Send>
void serve_until_full(const serving& what, const Send& send) {
  std::vector<connection> all = connections_of(what);
  epoll_set epoll(all);
  std::size_t open = all.size();
  while (open > 0) {
    epoll.turn(true, [&](std::size_t index) {
      connection& to = all[index];
      if (to.socket < 0 || fill(to, send)) return;
      to.socket = -1;
      --open;
    });
  }
}

}  // namespace baseline
