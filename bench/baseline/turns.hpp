#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "connection.hpp"

namespace baseline {

/// The connections that have something to do now, served in turn, a step each.
///
/// One that sends until its socket is full before the next one comes has more data in flight than
/// the caches hold. Whether that costs more than the additional calls save is measured by the
/// servers of until_full.hpp.
class turns {
 public:
  explicit turns(std::vector<connection> all) : connections(std::move(all)) {
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
