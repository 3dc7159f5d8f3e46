#include "zc/address.hpp"

#include <arpa/inet.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <type_traits>

#include "net/numeric_address.hpp"
#include "net/split_host_port.hpp"

namespace zc {

static_assert(std::is_trivially_copyable_v<address>);

namespace {

socklen_t size_of(int family) noexcept {
  switch (family) {
    case AF_INET:
      return sizeof(sockaddr_in);
    case AF_INET6:
      return sizeof(sockaddr_in6);
    default:
      return 0;
  }
}

using name_call = int (*)(int, sockaddr*, socklen_t*);

address address_of(int socket, name_call ask, const char* call) {
  sockaddr_storage storage{};
  auto* const raw = reinterpret_cast<sockaddr*>(&storage);
  socklen_t length = sizeof storage;
  if (ask(socket, raw, &length) < 0) throw std::system_error(errno, std::system_category(), call);
  const socklen_t expected = size_of(raw->sa_family);
  if (expected == 0 || length < expected) {
    throw std::system_error(EAFNOSUPPORT, std::system_category(), call);
  }
  return {raw, length};
}

}  // namespace

// The largest first: it clears them all.
address::address() noexcept { raw_.v6 = sockaddr_in6{}; }

address::address(const sockaddr* raw, socklen_t size) : address() {
  sa_family_t family = AF_UNSPEC;
  if (size >= offsetof(sockaddr, sa_data)) family = raw->sa_family;
  const socklen_t expected = size_of(family);
  if (expected == 0 || size < expected) {
    throw std::invalid_argument("zc::address: not an IPv4 or IPv6 address");
  }
  std::memcpy(&raw_, raw, expected);
}

address address::parse(std::string_view text) {
  const detail::split_text parts = detail::split_host_port(text);
  const bool is_v6 = parts.host.find(':') != std::string_view::npos;
  const std::optional<address> found = detail::numeric_address(parts.host, parts.port);
  if (found && is_v6 == parts.in_brackets) return *found;
  if (!parts.in_brackets) detail::refuse_text(text, "not an IPv4 address");
  detail::refuse_text(text, parts.host.find('%') == std::string_view::npos
                                ? "not an IPv6 address"
                                : "not an IPv6 address, or no such interface");
}

socklen_t address::size() const noexcept { return size_of(family()); }

std::uint16_t address::port() const noexcept {
  if (family() == AF_INET6) return ntohs(raw_.v6.sin6_port);
  return family() == AF_INET ? ntohs(raw_.v4.sin_port) : std::uint16_t{0};
}

std::string address::host() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (family() == AF_INET) {
    return ::inet_ntop(AF_INET, &raw_.v4.sin_addr, text.data(), text.size());
  }
  if (family() != AF_INET6) return {};
  const std::string number = ::inet_ntop(AF_INET6, &raw_.v6.sin6_addr, text.data(), text.size());
  const std::uint32_t scope = raw_.v6.sin6_scope_id;
  return scope == 0 ? number : number + "%" + std::to_string(scope);
}

address address::unmapped() const noexcept {
  if (family() != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&raw_.v6.sin6_addr)) return *this;
  address plain;
  plain.raw_.v4.sin_family = AF_INET;
  plain.raw_.v4.sin_port = raw_.v6.sin6_port;
  std::memcpy(&plain.raw_.v4.sin_addr, &raw_.v6.sin6_addr.s6_addr[12], sizeof(in_addr));
  return plain;
}

bool operator==(const address& one, const address& other) noexcept {
  if (one.family() != other.family() || one.port() != other.port()) return false;
  if (one.family() == AF_INET) {
    return one.raw_.v4.sin_addr.s_addr == other.raw_.v4.sin_addr.s_addr;
  }
  return std::memcmp(&one.raw_.v6.sin6_addr, &other.raw_.v6.sin6_addr, sizeof(in6_addr)) == 0 &&
         one.raw_.v6.sin6_scope_id == other.raw_.v6.sin6_scope_id;
}

std::string to_string(const address& where) {
  const std::string port = ":" + std::to_string(where.port());
  switch (where.family()) {
    case AF_INET:
      return where.host() + port;
    case AF_INET6:
      return std::string("[").append(where.host()).append("]").append(port);
    default:
      return {};
  }
}

address local_address(int socket) {
  return address_of(socket, &::getsockname, "zc::local_address");
}

address peer_address(int socket) { return address_of(socket, &::getpeername, "zc::peer_address"); }

}  // namespace zc
