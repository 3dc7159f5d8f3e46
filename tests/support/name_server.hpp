#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "zc/fd.hpp"

namespace support {

/// A name server at 127.0.0.1:53 that is the only one of this process, a forked child: in a network
/// and with files of its own. Answers A queries only.
///
/// It knows `one.test` (192.0.2.1) and `two.test` (192.0.2.2, 192.0.2.3); to `silent.test` and what
/// is below it says nothing; any other name does not exist.
class name_server {
 public:
  name_server();
  name_server(const name_server&) = delete;
  name_server& operator=(const name_server&) = delete;
  ~name_server();

  /// How many names below silent.test were asked for.
  int unanswered() const noexcept { return unanswered_; }

 private:
  void serve();

  zc::fd socket_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> unanswered_{0};
  std::thread thread_;
};

/// Gives this process, a forked child, a network with nothing but a loopback interface that is up,
/// and mounts of its own. False where that is not allowed.
bool leave_for_own_network();

}  // namespace support
