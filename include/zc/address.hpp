#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "zc/detail/cpp20.hpp"
#include "zc/detail/export.hpp"

namespace zc {

/// An IPv4 or IPv6 address with a port: what bind(2) and connect(2) take (ip(7), ipv6(7)).
///
/// A plain value: copying allocates nothing. No AF_UNIX, and no names: see host_port and resolve().
/// Thread-safe as an int is.
class ZC_API address {
 public:
  /// No address: family() is AF_UNSPEC, size() 0, port() 0, host() empty.
  address() noexcept;

  /// A copy of what the kernel or getaddrinfo(3) gave: AF_INET or AF_INET6, of `size` bytes or
  /// more. Throws std::invalid_argument for anything else.
  address(const sockaddr* raw, socklen_t size);

  /// `127.0.0.1:80` or `[fe80::1%eth0]:80`; the scope is an interface's name or its number, and a
  /// number is never taken for a name. Throws std::invalid_argument whose text says what is wrong:
  /// also without a port, without brackets, and with anything before or behind.
  static address parse(std::string_view text);

  /// For a system call; lives as long as this object.
  const sockaddr* data() const noexcept { return &raw_.any; }
  socklen_t size() const noexcept;

  /// AF_INET, AF_INET6, or AF_UNSPEC for no address.
  int family() const noexcept { return raw_.any.sa_family; }
  std::uint16_t port() const noexcept;
  /// The number without brackets or port: `127.0.0.1`, `::1`, `fe80::1%2` (the scope always as a
  /// number, so that printing asks nobody).
  std::string host() const;

  /// The IPv4 address that an IPv6 socket shows as `::ffff:127.0.0.1`; any other as it is.
  address unmapped() const noexcept;

  /// Same family, host, port and scope. `::ffff:127.0.0.1` is not `127.0.0.1`: see unmapped().
  friend bool operator==(const address& one, const address& other) noexcept;

 private:
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } raw_;
};
ZC_API bool operator==(const address& one, const address& other) noexcept;

/// `127.0.0.1:80` or `[::1]:80`: what parse() takes. Empty for no address.
ZC_API std::string to_string(const address& where);

/// Where a socket is bound (getsockname(2)), and who is at its other end (getpeername(2)). Throws
/// std::system_error: ENOTCONN, EBADF, ENOTSOCK, ..., EAFNOSUPPORT for a socket that is not of IP.
ZC_API address local_address(int socket);
ZC_API address peer_address(int socket);

}  // namespace zc
