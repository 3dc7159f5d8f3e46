#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <cstdint>
#include <system_error>
#include <vector>

#include "support/descriptors.hpp"
#include "support/transfers.hpp"
#include "zc/fd.hpp"
#include "zc/task.hpp"

/// Two peers and who stands between them: what tests of both directions at once share.
namespace support {

inline constexpr unsigned from_client = 1;
inline constexpr unsigned from_server = 2;

/// A client and a server, and the two sockets between them that belong to who stands there.
struct line {
  zc::fd client;
  zc::fd near_client;
  zc::fd near_server;
  zc::fd server;
};

line make_line(bool tcp, int flags);

/// What one of the two peers has read so far.
struct intake {
  std::uint64_t size = 0;
  bool right = true;
  bool ended = false;
  std::error_code error;
};

/// Reads until `size` bytes are there, or the stream ends or fails.
zc::task<> take_in(int fd, std::uint64_t size, unsigned salt, intake& got);

/// Sends a stream up to `size`, or as much as goes before it fails or is cancelled. From `at` on,
/// which says how far it came.
zc::task<> give_out(int fd, std::uint64_t size, unsigned salt, std::uint64_t& at);
zc::task<> give_out(int fd, std::uint64_t size, unsigned salt);

/// A TCP connection over loopback. One port alone does not tell it from those of other programs.
struct connection {
  std::uint16_t local;
  std::uint16_t remote;
};
connection connection_of(const zc::fd& socket);

/// How many sockets, at either end of these, wait in CLOSE_WAIT.
std::size_t in_close_wait(const std::vector<connection>& connections);

/// Whether, within a while, none of these waits in CLOSE_WAIT. Their owners have closed them.
bool leaves_no_close_wait(const std::vector<connection>& connections);

/// Whether that is what one hears of a peer that has gone.
bool is_gone(std::error_code error);

/// Whether counts and bytes of one direction agree.
inline void check_way(const zc::transfer& done, unsigned salt) {
  CHECK(conserved(done));
  const auto kept = done.remainder.bytes();
  CHECK(are_bytes_at({reinterpret_cast<const char*>(kept.data()), kept.size()}, done.moved, salt));
}

/// Calls `body(route, flags)` for each route and kind of descriptor that it serves.
template <class Body>
void for_each_route(Body body) {
  for (const zc::route route : routes) {
    for (const int flags : {0, int{SOCK_NONBLOCK}}) {
      if (route == zc::route::direct && flags == 0) continue;  // refuses blocking sockets
      CAPTURE(route);
      CAPTURE(flags);
      body(route, flags);
    }
  }
}

}  // namespace support
