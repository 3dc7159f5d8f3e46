#pragma once

#include <chrono>
#include <vector>

#include "summary.hpp"
#include "tree.hpp"
#include "zc/address.hpp"
#include "zc/task.hpp"

namespace ship {

struct send_options {
  unsigned connections = 8;
  bool progress = false;
  std::chrono::milliseconds connect_timeout{30'000};  // until a connection is there, and greeted
};

/// Sends a tree; what fails is in `into`. Throws when not even a connection can be had, or when
/// cancelled.
zc::task<> send_tree(const tree& what, const std::vector<zc::address>& receivers,
                     send_options options, summary& into);

}  // namespace ship
