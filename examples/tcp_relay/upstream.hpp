#pragma once

#include <chrono>
#include <memory>
#include <string>
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

  /// A socket to connect with, for connect(). Throws std::system_error where there is no room for
  /// one. None where no address is of a kind that this machine can connect to: connect() says so.
  zc::fd spare() const;

  /// A connection to the first address that answers, all being tried within the connect timeout; in
  /// order, and beside each other where one takes long. Throws std::system_error whose text names
  /// the last one, or the name where that was not enough: ETIMEDOUT.
  zc::task<zc::fd> connect(zc::fd spare = {});

 private:
  using addresses = std::vector<zc::address>;

  zc::task<> look_up();
  std::string text_of(const addresses& candidates) const;

  zc::host_port name_;
  std::chrono::milliseconds connect_timeout_;
  notices& say_;
  std::shared_ptr<const addresses> known_;
  std::chrono::steady_clock::time_point looked_up_ = std::chrono::steady_clock::now();
};

}  // namespace tcp_relay
