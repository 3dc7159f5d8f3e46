#pragma once

#include <optional>
#include <string>

#include "server/proxy_protocol.hpp"
#include "zc/task.hpp"

namespace tcp_relay {

namespace proxy_protocol = server::proxy_protocol;

/// Receives a PROXY header, and not a byte of what follows it. Nothing where it does not say who
/// the connection is from. Throws proxy_protocol::malformed, also where the connection ends before
/// it does, and std::system_error.
zc::task<std::optional<proxy_protocol::endpoints>> receive_header(int socket);

/// Sends it all. Throws std::system_error.
zc::task<> send_header(int socket, std::string header);

}  // namespace tcp_relay
