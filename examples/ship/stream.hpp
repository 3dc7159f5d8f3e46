#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "wire.hpp"
#include "zc/task.hpp"

/// Control bytes over a connection. Each throws std::system_error when the connection fails, and
/// wire::protocol_error when it ends or says something that makes no sense.
namespace ship {

/// `more`: other bytes follow at once, so a short packet can wait for them.
enum class then { more, push };
zc::task<> send_all(int socket, std::string_view bytes, then next);

/// Fills `buffer`. False when the stream ended before the first byte.
zc::task<bool> receive_all(int socket, std::span<char> buffer);

struct frame {
  wire::header header;
  std::string payload;
};
/// Receives one frame, its body aside; never a byte more, so that the body can be spliced.
/// False when the stream ended before the first byte.
zc::task<bool> receive_frame(int socket, frame& into);

}  // namespace ship
