#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "zc/detail/cpp20.hpp"
#include "zc/detail/export.hpp"

namespace zc {

/// A host, by name or number, and a port: what users write, and what resolve() takes.
///
/// An empty host is every interface for who listens, and this machine for who connects. Not
/// thread-safe.
class ZC_API host_port {
 public:
  host_port() noexcept = default;
  /// `name` goes without brackets.
  host_port(std::string name, std::uint16_t number) noexcept;

  /// `example.org:80`, `127.0.0.1:80`, `[::1]:80` or `:80`. The port is a number; a name is not
  /// looked up, nor looked at. Throws std::invalid_argument whose text says what is wrong.
  static host_port parse(std::string_view text);

  friend bool operator==(const host_port&, const host_port&) noexcept = default;

  std::string host;  // without brackets
  std::uint16_t port = 0;
};

/// What parse() takes: a host with a colon in it goes in brackets.
ZC_API std::string to_string(const host_port& name);

}  // namespace zc
