#pragma once

#include <sys/socket.h>

#include <type_traits>
#include <vector>

#include "zc/address.hpp"
#include "zc/detail/export.hpp"
#include "zc/fd.hpp"

namespace zc {

/// How listen() listens.
struct listen_options {
  /// How many connections may wait to be accepted (listen(2)). The kernel's own bound is
  /// /proc/sys/net/core/somaxconn; beyond it new ones are made to try again.
  int backlog = SOMAXCONN;
  /// SO_REUSEPORT: several listeners on one address, all with it and of one user, and the kernel
  /// shares the connections out among them: one for each context of run_on(). What waits in the
  /// queue of one that is closed is reset.
  bool reuse_port = false;
  /// Of `[::]`: no IPv4. Otherwise it takes IPv4 too, its peers being `::ffff:127.0.0.1`
  /// (address::unmapped()), and a second listener on `0.0.0.0` would be EADDRINUSE. Never left to
  /// /proc/sys/net/ipv6/bindv6only.
  bool v6_only = false;
};
static_assert(std::is_trivially_destructible_v<listen_options>);

/// A TCP socket that listens: socket(2), bind(2), listen(2). Port 0 picks a free one, which
/// local_address() tells.
///
/// Close-on-exec, in blocking mode: an accept on the ring waits in either mode. SO_REUSEADDR is
/// set, so that a server can start again while connections of the last one are still known.
/// Blocks for no longer than the calls take. Throws std::system_error whose text names the address:
/// EADDRINUSE, EADDRNOTAVAIL, EACCES, EMFILE, ...
ZC_API fd listen(const address& where, listen_options options = {});

/// The same on the first of several that will have it; throws what the last one gave. Throws
/// std::invalid_argument where there is none.
ZC_API fd listen(const std::vector<address>& candidates, listen_options options = {});

}  // namespace zc
