#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "notices.hpp"
#include "zc/address.hpp"
#include "zc/fd.hpp"
#include "zc/host_port.hpp"
#include "zc/task.hpp"

namespace tcp_relay {

/// Where connections go on to. The name is looked up again while it is used, every few seconds at
/// most, so that one that has moved is found; where that fails the last addresses are kept. Belongs
/// to one thread and its context.
class upstream {
 public:
  /// `known` are the addresses that the name has now.
  upstream(zc::host_port name, std::vector<zc::address> known,
           std::chrono::milliseconds connect_timeout, notices& say);

  /// A connection to the first address that answers, in order, each being given the connect
  /// timeout. Throws std::system_error whose text names the last one: ETIMEDOUT for one that did
  /// not answer in time.
  zc::task<zc::fd> connect();

 private:
  using addresses = std::vector<zc::address>;

  zc::task<> look_up();

  zc::host_port name_;
  std::chrono::milliseconds connect_timeout_;
  notices& say_;
  std::shared_ptr<const addresses> known_;
  std::chrono::steady_clock::time_point looked_up_ = std::chrono::steady_clock::now();
};

}  // namespace tcp_relay
