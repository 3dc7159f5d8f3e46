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

/// Fills `buffer`. False when the stream ended before the first byte. `pieces` counts what came
/// one after another.
zc::task<bool> receive_all(int socket, std::span<char> buffer, std::uint64_t* pieces = nullptr);

struct frame {
  wire::header header;
  std::string payload;
};
/// Receives one frame, its body aside; never a byte more, so that the body can be spliced.
/// False when the stream ended before the first byte.
zc::task<bool> receive_frame(int socket, frame& into, std::uint64_t* pieces = nullptr);

/// Receives frames, as many at once as there are: for a direction in which no bodies come.
class frame_reader {
 public:
  explicit frame_reader(int socket) noexcept : socket_(socket) {}

  /// False when the stream ended before the first byte of it.
  zc::task<bool> receive(frame& into);

 private:
  bool take(frame& into);

  int socket_;
  std::string bytes_;  // came, of which the first `taken_` were given
  std::size_t taken_ = 0;
};

}  // namespace ship
