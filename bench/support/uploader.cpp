#include "uploader.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "mapped_file.hpp"
#include "require.hpp"
#include "sink.hpp"

namespace bench {

namespace {

struct upload {
  zc::fd socket;
  std::uint64_t sent = 0;
};

/// Sends a piece; false when that was the last one.
bool send_piece(upload& of, std::span<const std::byte> file, std::uint64_t times) {
  const std::size_t at = of.sent % file.size();
  const std::size_t piece = std::min<std::size_t>(file.size() - at, 256 * 1024);
  const ssize_t sent = ::send(of.socket.get(), file.data() + at, piece, MSG_DONTWAIT);
  if (sent < 0 && errno == EAGAIN) return true;
  of.sent += static_cast<std::uint64_t>(require(sent, "send"));
  if (of.sent < file.size() * times) return true;
  of.socket = zc::fd();
  return false;
}

void send_all(std::vector<upload> all, int file, std::uint64_t times) {
  const mapped_file what(file);
  const zc::fd epoll(require(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
  for (std::size_t index = 0; index < all.size(); ++index) {
    epoll_event wanted{.events = EPOLLOUT, .data = {.u64 = index}};
    require(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, all[index].socket.get(), &wanted), "epoll_ctl");
  }
  std::array<epoll_event, 64> events;
  for (std::size_t open = all.size(); open > 0;) {
    const int count =
        require(::epoll_wait(epoll.get(), events.data(), events.size(), -1), "epoll_wait");
    for (int at = 0; at < count; ++at) {
      upload& next = all[events[static_cast<std::size_t>(at)].data.u64];
      if (!send_piece(next, what.bytes(), times)) --open;
    }
  }
}

}  // namespace

uploader::uploader(unsigned core, std::size_t connections, int file, std::uint64_t times) {
  const zc::fd listener = listen_on_loopback(4096);
  std::array<int, 2> ends{};
  require(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  const zc::fd wait(ends[0]);
  begin_ = zc::fd(ends[1]);
  process_.emplace(core, [&] {
    begin_ = zc::fd();  // else its own end would keep it waiting
    std::vector<upload> all;
    for (std::size_t count = 0; count < connections; ++count) {
      all.push_back({connect_to(listener.get())});
    }
    read_value<char>(wait.get());
    send_all(std::move(all), file, times);
  });
  sockets_ = accept_all(listener.get(), connections);
  for (const zc::fd& each : sockets_) set_nonblocking(each.get(), true);
}

std::vector<int> uploader::sockets() const {
  std::vector<int> all;
  for (const zc::fd& each : sockets_) all.push_back(each.get());
  return all;
}

void uploader::begin() { write_value(begin_.get(), '!'); }

void uploader::finish() {
  process_->join();
  sockets_.clear();
}

}  // namespace bench
