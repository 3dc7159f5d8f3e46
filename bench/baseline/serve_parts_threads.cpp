// A thread for each connection, and so one for each request at a time; sendfile(2) blocks only
// that.

#include <sys/sendfile.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>
#include <vector>

#include "serve_parts.hpp"
#include "support/require.hpp"

namespace baseline {

namespace {

void serve_one(std::span<const int> files, int socket) {
  part_request wanted{};
  while (bench::require(::recv(socket, &wanted, sizeof wanted, MSG_WAITALL), "recv") > 0) {
    off_t at = static_cast<off_t>(wanted.offset);
    const off_t end = at + wanted.bytes;
    while (at < end) {
      bench::require(
          ::sendfile(socket, files[wanted.file], &at, static_cast<std::size_t>(end - at)),
          "sendfile");
    }
  }
}

}  // namespace

void serve_parts_threads(const serving_parts& what) {
  std::vector<std::thread> threads;
  for (const int socket : what.sockets) {
    threads.emplace_back([&what, socket] {
      try {
        serve_one(what.files, socket);
      } catch (const std::exception& failure) {
        std::fprintf(stderr, "%s\n", failure.what());
        std::_Exit(1);
      }
    });
  }
  for (std::thread& each : threads) each.join();
}

}  // namespace baseline
