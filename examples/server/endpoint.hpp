#pragma once

#include <string>
#include <string_view>

#include "zc/host_port.hpp"

namespace server {

inline constexpr std::string_view unix_prefix = "unix:";

/// Where to listen, as users write it: `HOST:PORT`; `unix:PATH`; or `systemd`, for the sockets that
/// whoever started the program has opened (sd_listen_fds(3)).
struct endpoint {
  enum class kind { tcp, unix, systemd };

  /// Throws std::invalid_argument whose text says what is wrong.
  static endpoint parse(const std::string& text);

  friend bool operator==(const endpoint&, const endpoint&) noexcept = default;

  kind is = kind::tcp;
  zc::host_port where;  // of tcp
  std::string path;     // of unix
};

}  // namespace server
