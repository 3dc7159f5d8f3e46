#include "stream.hpp"

#include <sys/socket.h>

#include <array>
#include <system_error>
#include <utility>

#include "zc/op/recv.hpp"
#include "zc/op/send.hpp"

namespace ship {

namespace {

constexpr std::size_t read_ahead_bytes = 16 * 1024;

}  // namespace

zc::task<> send_all(int socket, std::string_view bytes, then next) {
  const int flags = next == then::more ? MSG_MORE : 0;
  while (!bytes.empty()) {
    const zc::result<std::size_t> sent =
        co_await zc::op::send(socket, bytes.data(), bytes.size(), flags);
    bytes.remove_prefix(sent.value());
  }
}

zc::task<bool> receive_all(int socket, std::span<char> buffer, std::uint64_t* pieces) {
  std::size_t got = 0;
  while (got < buffer.size()) {
    const zc::result<std::size_t> some =
        co_await zc::op::recv(socket, buffer.data() + got, buffer.size() - got);
    if (some.value() == 0) {
      if (got == 0) co_return false;
      throw wire::protocol_error("the connection ended in the middle of a frame");
    }
    got += *some;
    if (pieces != nullptr) ++*pieces;
  }
  co_return true;
}

zc::task<bool> receive_frame(int socket, frame& into, std::uint64_t* pieces) {
  std::array<char, wire::header_size_bytes> bytes{};
  const bool any = co_await receive_all(socket, bytes, pieces);
  if (!any) co_return false;
  into.header = wire::parse_header(bytes);
  into.payload.resize(into.header.payload_bytes);
  if (into.payload.empty()) co_return true;
  const bool whole = co_await receive_all(socket, into.payload, pieces);
  if (!whole) throw wire::protocol_error("the connection ended in the middle of a frame");
  co_return true;
}

/// False where not all of it is there.
bool frame_reader::take(frame& into) {
  const std::string_view there = std::string_view(bytes_).substr(taken_);
  if (there.size() < wire::header_size_bytes) return false;
  into.header = wire::parse_header(
      std::span<const char, wire::header_size_bytes>(there.data(), wire::header_size_bytes));
  if (there.size() - wire::header_size_bytes < into.header.payload_bytes) return false;
  into.payload = there.substr(wire::header_size_bytes, into.header.payload_bytes);
  taken_ += wire::header_size_bytes + into.header.payload_bytes;
  return true;
}

zc::task<bool> frame_reader::receive(frame& into) {
  while (!take(into)) {
    bytes_.erase(0, std::exchange(taken_, 0));
    const std::size_t there = bytes_.size();
    bytes_.resize(there + read_ahead_bytes);
    const zc::result<std::size_t> some =
        co_await zc::op::recv(socket_, bytes_.data() + there, read_ahead_bytes);
    bytes_.resize(there + some.value());
    if (*some > 0) continue;
    if (there == 0) co_return false;
    throw wire::protocol_error("the connection ended in the middle of a frame");
  }
  co_return true;
}

}  // namespace ship
