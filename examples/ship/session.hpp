#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <string>

#include "summary.hpp"
#include "unmade.hpp"
#include "wire.hpp"
#include "zc/transfer.hpp"

namespace ship {

/// Since when nothing has come.
struct idle_watch {
  std::uint64_t frames = 0;  // up to then
  std::uint64_t moved = 0;
  std::chrono::steady_clock::time_point since = std::chrono::steady_clock::now();
};

/// One run of `ship send` as the receiver sees it, over all its connections.
struct session {
  explicit session(const wire::hello& hello) : about(hello), summary("received") {}

  /// To be called when the sender has had something put in its place, or has nothing to send: until
  /// then it may be anybody.
  void begin() {
    if (begun) return;
    begun = true;
    on_begin();
  }

  /// For how long nothing has come that was waited for.
  std::chrono::steady_clock::duration idle_for(std::chrono::steady_clock::time_point now);

  wire::hello about;
  ship::summary summary;
  unmade_directories unmade;
  std::function<void()> on_begin;
  bool begun = false;
  std::string ended_because;  // where the receiver has ended it
  unsigned joined = 0;
  unsigned live = 0;
  unsigned working = 0;             // of the live: those where the sender waits for us
  std::set<int> taken_from;         // sockets with a body on its way to the disk
  std::uint64_t frames = 0;         // that came, and pieces of such
  std::uint64_t bytes_arrived = 0;  // in the bodies of files
  zc::progress body;                // changes with each that is on its way
  idle_watch idle;
};

}  // namespace ship
