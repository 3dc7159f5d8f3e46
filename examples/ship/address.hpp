#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <string_view>
#include <vector>

#include "zc/fd.hpp"

namespace ship {

struct address {
  sockaddr_storage storage{};
  socklen_t length = 0;

  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

struct host_and_port {
  std::string host;  // without brackets
  std::string port;  // never empty
};

/// `HOST:PORT`, HOST being a name, an IPv4 address, an IPv6 address in brackets, or empty. Throws
/// std::invalid_argument.
host_and_port split(std::string_view text);

/// What `HOST:PORT` stands for. An empty HOST is every interface (to listen) or this machine (to
/// connect). Throws std::invalid_argument, or std::runtime_error where the name is unknown. Blocks.
enum class purpose { connect, listen };
std::vector<address> resolve(const std::string& text, purpose what);

/// A listening socket on the first of the addresses that will have it.
zc::fd listen_on(const std::vector<address>& candidates);

/// `127.0.0.1:1234` or `[::1]:1234`: where the socket is bound, or who is at its other end.
std::string local_name(int socket);
std::string peer_name(int socket);

/// A non-blocking, close-on-exec TCP socket.
zc::fd tcp_socket(int family);

/// Small frames leave at once, and a peer that is gone is noticed: after a minute where nothing is
/// on its way, otherwise when the kernel has retransmitted long enough (tcp(7), tcp_retries2).
void tune(int socket);

}  // namespace ship
