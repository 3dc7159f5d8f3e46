#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "zc/address.hpp"

/// What HAProxy's PROXY protocol says before the first byte of a connection: who it is from, told
/// by whoever accepted it. Versions 1 (a line of text) and 2 (binary), for TCP:
/// https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt
namespace server::proxy_protocol {

enum class version { v1, v2 };

/// Both of one family, or not known.
struct endpoints {
  zc::address source;
  zc::address destination;
};

/// Scopes of IPv6 addresses are left out. Of two families, or none, it says that they are not
/// known.
std::string encode(version as, const endpoints& of);

struct header {
  std::size_t size_bytes = 0;      // where the connection's own bytes begin
  std::optional<endpoints> about;  // nothing: the connection's own are to be used
};

class malformed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// So many bytes of a connection always tell what its header says, or that there is none. The
/// header itself may be longer.
inline constexpr std::size_t telling_bytes = 107;

/// Looks at the first bytes of a connection; nothing where it takes more of them to tell. Of a
/// header of version 2 the extensions (TLVs) are not looked at, and need not be there yet. Throws
/// malformed.
std::optional<header> parse(std::string_view begin);

}  // namespace server::proxy_protocol
