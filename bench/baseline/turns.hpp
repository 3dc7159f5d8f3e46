#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "serve.hpp"

namespace baseline {

/// What one step of an answer came to.
enum class outcome { done, more, blocked };

struct connection {
  int socket = -1;
  std::size_t index = 0;  // among all
  std::array<std::byte, request_bytes> request{};
  std::size_t sent = 0;  // of the answer
  bool answering = false;
  bool queued = false;
};

/// The connections that have something to do now, served in turn, a step each. One that sends until
/// its socket is full before the next one comes has more data in flight than the caches hold: for
/// large files that took up to three times as long.
class turns {
 public:
  explicit turns(std::span<const int> sockets) {
    for (const int socket : sockets) {
      connections.push_back({.socket = socket, .index = connections.size()});
    }
    now_.reserve(connections.size());
    next_.reserve(connections.size());
  }

  bool empty() const { return next_.empty(); }

  void add(std::size_t index) {
    if (connections[index].queued) return;
    connections[index].queued = true;
    next_.push_back(index);
  }

  /// Calls `step(connection)` for each that is queued now; those where it is true stay in the
  /// queue.
  template <class Step>
  void once_each(const Step& step) {
    now_.swap(next_);
    for (const std::size_t index : now_) {
      connections[index].queued = false;
      if (step(connections[index])) add(index);
    }
    now_.clear();
  }

  std::vector<connection> connections;

 private:
  std::vector<std::size_t> now_;
  std::vector<std::size_t> next_;
};

}  // namespace baseline
