#pragma once

#include <vector>

#include "own_pipe.hpp"

namespace baseline {

/// A pipe for each connection that has bytes on their way, kept for the next one; one for all where
/// no socket is ever full.
class kept_pipes {
 public:
  kept_pipes(std::size_t connections, int pipe_bytes) : of_(connections), bytes_(pipe_bytes) {}

  own_pipe& of(std::size_t index) {
    if (!of_[index]) of_[index] = idle_.empty() ? own_pipe(bytes_) : take_idle();
    return of_[index];
  }
  void empty(std::size_t index) { idle_.push_back(std::move(of_[index])); }

 private:
  own_pipe take_idle() {
    own_pipe last = std::move(idle_.back());
    idle_.pop_back();
    return last;
  }

  std::vector<own_pipe> of_;
  std::vector<own_pipe> idle_;
  int bytes_;
};

}  // namespace baseline
