#include "stream.hpp"

#include <sys/socket.h>

#include <array>
#include <system_error>

#include "zc/op/recv.hpp"
#include "zc/op/send.hpp"

namespace ship {

zc::task<> send_all(int socket, std::string_view bytes, then next) {
  const int flags = next == then::more ? MSG_MORE : 0;
  while (!bytes.empty()) {
    const zc::result<std::size_t> sent =
        co_await zc::op::send(socket, bytes.data(), bytes.size(), flags);
    bytes.remove_prefix(sent.value());
  }
}

zc::task<bool> receive_all(int socket, std::span<char> buffer) {
  std::size_t got = 0;
  while (got < buffer.size()) {
    const zc::result<std::size_t> some =
        co_await zc::op::recv(socket, buffer.data() + got, buffer.size() - got);
    if (some.value() == 0) {
      if (got == 0) co_return false;
      throw wire::protocol_error("the connection ended in the middle of a frame");
    }
    got += *some;
  }
  co_return true;
}

zc::task<bool> receive_frame(int socket, frame& into) {
  std::array<char, wire::header_size_bytes> bytes{};
  const bool any = co_await receive_all(socket, bytes);
  if (!any) co_return false;
  into.header = wire::parse_header(bytes);
  into.payload.resize(into.header.payload_bytes);
  if (into.payload.empty()) co_return true;
  const bool whole = co_await receive_all(socket, into.payload);
  if (!whole) throw wire::protocol_error("the connection ended in the middle of a frame");
  co_return true;
}

}  // namespace ship
