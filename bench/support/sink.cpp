#include "sink.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <span>

#include "data_file.hpp"
#include "require.hpp"

namespace bench {

namespace {

constexpr std::size_t buffer_bytes = 256 * 1024;

struct incoming {
  zc::fd socket;
  std::uint64_t bytes = 0;
};

/// One recv(2); false at the end of the stream.
bool take(incoming& from, std::span<std::byte> buffer, bool check) {
  const auto got = static_cast<std::size_t>(
      require(::recv(from.socket.get(), buffer.data(), buffer.size(), 0), "recv"));
  if (check && !is_pattern(buffer.first(got), from.bytes)) {
    throw std::runtime_error("wrong bytes arrived");
  }
  from.bytes += got;
  return got > 0;
}

std::uint64_t receive_one(incoming from, bool check) {
  // Written to, so that the first round does not pay for its pages.
  const auto storage = std::make_unique<std::byte[]>(buffer_bytes);
  const std::span buffer(storage.get(), buffer_bytes);
  while (take(from, buffer, check)) {
  }
  return from.bytes;
}

std::uint64_t receive_many(std::vector<incoming> from, bool check) {
  const auto storage = std::make_unique<std::byte[]>(buffer_bytes);
  const std::span buffer(storage.get(), buffer_bytes);
  std::vector<pollfd> polled;
  for (const incoming& each : from) polled.push_back({each.socket.get(), POLLIN, 0});
  std::uint64_t sum = 0;
  for (std::size_t open = from.size(); open > 0;) {
    require(::poll(polled.data(), polled.size(), -1), "poll");
    for (std::size_t at = 0; at < polled.size(); ++at) {
      if (polled[at].revents == 0 || take(from[at], buffer, check)) continue;
      sum += from[at].bytes;
      polled[at].fd = -1;
      --open;
    }
  }
  return sum;
}

}  // namespace

sink::sink(unsigned core, unsigned connections, bool check) {
  const zc::fd listener = listen_on_loopback(static_cast<int>(connections));
  std::array<int, 2> ends{};
  require(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  report_ = zc::fd(ends[0]);
  const zc::fd answer(ends[1]);
  process_.emplace(core, [&] {
    std::vector<incoming> from;
    for (unsigned count = 0; count < connections; ++count) {
      from.push_back(
          {zc::fd(require(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept4"))});
    }
    write_value(answer.get(), connections == 1 ? receive_one(std::move(from.front()), check)
                                               : receive_many(std::move(from), check));
  });
  for (unsigned count = 0; count < connections; ++count) {
    sockets_.push_back(connect_to(listener.get()));
  }
}

std::uint64_t sink::finish() {
  for (const zc::fd& each : sockets_) require(::shutdown(each.get(), SHUT_WR), "shutdown");
  const auto count = read_value<std::uint64_t>(report_.get());
  sockets_.clear();
  process_->join();
  return count;
}

zc::fd listen_on_loopback(int backlog) {
  zc::fd listener(require(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  require(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
          "bind");
  require(::listen(listener.get(), backlog), "listen");
  return listener;
}

zc::fd connect_to(int listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  require(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  zc::fd socket(require(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  require(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size), "connect");
  const int on = 1;
  require(::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
  return socket;
}

std::vector<zc::fd> accept_all(int listener, std::size_t count) {
  // If the other process has failed, nobody connects any more.
  const timeval patience{.tv_sec = 60, .tv_usec = 0};
  require(::setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience),
          "SO_RCVTIMEO");
  std::vector<zc::fd> all;
  while (all.size() < count) {
    all.emplace_back(require(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC), "accept4"));
  }
  return all;
}

void set_nonblocking(int fd, bool on) {
  const int flags = require(::fcntl(fd, F_GETFL), "fcntl");
  require(::fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK), "fcntl");
}

}  // namespace bench
