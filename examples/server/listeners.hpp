#pragma once

#include <string>
#include <vector>

#include "server/endpoint.hpp"
#include "zc/fd.hpp"

namespace server {

/// A socket that listens. One of ours at a path removes that with it.
class listener {
 public:
  listener(zc::fd socket, endpoint::kind of, std::string name) noexcept;
  listener(listener&&) noexcept = default;
  listener& operator=(listener&&) = delete;
  ~listener();

  int socket() const noexcept { return socket_.get(); }
  /// `[::]:80`, `unix:/run/web`.
  const std::string& name() const noexcept { return name_; }

  /// No new connection comes any more; those that have begun still do, and can be accepted. One of
  /// systemd's is not ours to close: whoever comes now waits for the next who serves it.
  void let_nobody_in() noexcept;
  /// Whether somebody waits to be accepted.
  bool has_waiting() const noexcept;
  /// Once all that waited are accepted: who comes now is refused.
  void close_door() noexcept;

 private:
  void remove_path() noexcept;

  zc::fd socket_;
  endpoint::kind of_;
  std::string name_;
  std::string path_;  // to remove
};

/// Whether there is an address at which a client could come to either, by TCP.
bool share_an_address(const listener& one, const listener& other);

/// Listens at each of them. Throws std::system_error, and std::runtime_error where systemd has
/// passed no sockets.
std::vector<listener> listen_at(const std::vector<endpoint>& all);

}  // namespace server
