#include "server/endpoint.hpp"

#include <sys/un.h>

#include <stdexcept>
#include <utility>

namespace server {

endpoint endpoint::parse(const std::string& text) {
  if (text == "systemd") return {kind::systemd, {}, {}};
  if (!text.starts_with(unix_prefix)) return {kind::tcp, zc::host_port::parse(text), {}};
  std::string path = text.substr(unix_prefix.size());
  if (path.empty() || path.size() >= sizeof(sockaddr_un::sun_path)) {
    throw std::invalid_argument("a path of 1 to 107 bytes is wanted: " + text);
  }
  return {kind::unix, {}, std::move(path)};
}

}  // namespace server
