#include "handshake.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "zc/op/recv.hpp"
#include "zc/op/send.hpp"

namespace tcp_relay {

namespace {

using proxy_protocol::header;
using proxy_protocol::malformed;

/// Receives `size` bytes that are there already.
zc::task<> take(int socket, char* into, std::size_t size) {
  const zc::result<std::size_t> taken = co_await zc::op::recv(socket, into, size, MSG_WAITALL);
  if (taken.value() != size) throw malformed("ended within a PROXY header");
}

/// Receives the extensions of a header, and forgets them.
zc::task<> skip(int socket, std::size_t size) {
  std::array<char, 512> dropped;
  while (size > 0) {
    const std::size_t most = std::min(size, dropped.size());
    const zc::result<std::size_t> got = co_await zc::op::recv(socket, dropped.data(), most);
    if (got.value() == 0) throw malformed("ended within a PROXY header");
    size -= *got;
  }
}

}  // namespace

zc::task<std::optional<proxy_protocol::endpoints>> receive_header(int socket) {
  std::array<char, proxy_protocol::telling_bytes> bytes;
  std::size_t have = 0;
  std::optional<header> found;
  while (!found) {
    char* const at = bytes.data() + have;
    const std::size_t room = bytes.size() - have;
    const zc::result<std::size_t> seen = co_await zc::op::recv(socket, at, room, MSG_PEEK);
    if (seen.value() == 0) throw malformed("ended before a PROXY header");
    found = proxy_protocol::parse(std::string_view(bytes.data(), have + *seen));
    // What is not yet known to be a whole header is taken too: only then can more be waited for.
    const std::size_t size = found ? std::min(found->size_bytes - have, *seen) : *seen;
    co_await take(socket, at, size);
    have += size;
  }
  co_await skip(socket, found->size_bytes - have);
  co_return found->about;
}

zc::task<> send_header(int socket, std::string header) {
  for (std::string_view left = header; !left.empty();) {
    const zc::result<std::size_t> sent = co_await zc::op::send(socket, left.data(), left.size());
    left.remove_prefix(sent.value());
  }
}

}  // namespace tcp_relay
