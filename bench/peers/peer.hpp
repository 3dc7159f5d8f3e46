#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

/// Libraries that one may choose in place of zc, each used as its documentation does.
namespace peers {

/// Every request on each socket is answered, until the client hangs up.
struct answering {
  std::span<const int> sockets;  // O_NONBLOCK
  int file = -1;                 // hot; with this the answer, to a request of a byte, else an echo
  std::size_t file_bytes = 0;
};

struct peer {
  std::string name;
  /// Those that it can do: answers by echoing, answers with the file, and awaits so many
  /// coroutines, one after the other, each of which gives a value at once.
  std::function<void(const answering&)> echo;
  std::function<void(const answering&)> send_file;
  std::function<void(std::uint64_t)> await_tasks;
};

std::vector<peer> zc_peers();
std::vector<peer> asio_epoll_peers();
std::vector<peer> asio_io_uring_peers();
std::vector<peer> libuv_peers();
std::vector<peer> libevent_peers();

}  // namespace peers
