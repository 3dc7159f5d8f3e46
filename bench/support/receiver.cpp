#include "receiver.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <span>

#include "mapped_file.hpp"
#include "require.hpp"
#include "sink.hpp"

namespace bench {

namespace {

struct stream {
  zc::fd socket;
  std::uint64_t received = 0;  // whole files
  std::size_t got = 0;         // of the next one
};

/// What the receiving process does.
class receiving {
 public:
  receiving(std::vector<zc::fd> sockets, const expected_files& what)
      : what_(what), request_(what.request_bytes) {
    for (zc::fd& each : sockets) all_.push_back({std::move(each)});
    if (what.check >= 0) wanted_.emplace(what.check);
    fill_pattern(request_, 0);
  }

  void run() {
    const zc::fd epoll(require(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
    for (std::size_t index = 0; index < all_.size(); ++index) {
      epoll_event wanted{.events = EPOLLIN, .data = {.u64 = index}};
      require(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, all_[index].socket.get(), &wanted),
              "epoll_ctl");
      if (what_.asked) ask(all_[index]);
    }
    std::array<epoll_event, 64> events;
    for (std::size_t open = all_.size(); open > 0;) {
      const int count =
          require(::epoll_wait(epoll.get(), events.data(), events.size(), -1), "epoll_wait");
      for (int at = 0; at < count; ++at) {
        if (!take(events[static_cast<std::size_t>(at)].data.u64)) --open;
      }
    }
  }

 private:
  void ask(const stream& of) const {
    require(::send(of.socket.get(), request_.data(), request_.size(), 0), "send");
  }

  /// One recv(2): no connection is emptied while others are full. False at the end of the stream.
  bool take(std::size_t index) {
    stream& from = all_[index];
    const ssize_t count = ::recv(from.socket.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN) return true;
    std::span<const std::byte> bytes(buffer_.data(),
                                     static_cast<std::size_t>(require(count, "recv")));
    if (bytes.empty()) {
      require_equal(from.received, what_.each, "files on a connection");
      require_equal(from.got, 0, "bytes after the last file");
      from.socket = zc::fd();
      return false;
    }
    while (!bytes.empty()) {
      const auto part = bytes.first(std::min(bytes.size(), what_.file_bytes - from.got));
      if (wanted_ && !wanted_->has(part, what_.begin_of(index, from.received) + from.got)) {
        throw std::runtime_error("wrong bytes arrived");
      }
      from.got += part.size();
      bytes = bytes.subspan(part.size());
      if (from.got < what_.file_bytes) break;
      from.got = 0;
      const bool last = ++from.received == what_.each;
      if (!last && what_.asked) ask(from);
      if (last && what_.hang_up) require(::shutdown(from.socket.get(), SHUT_WR), "shutdown");
    }
    return true;
  }

  const expected_files& what_;
  std::vector<std::byte> request_;
  std::vector<stream> all_;
  std::optional<mapped_file> wanted_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(256 * 1024);
};

}  // namespace

receiver::receiver(unsigned core, const expected_files& what) {
  const zc::fd listener = listen_on_loopback(4096);
  process_.emplace(core, [&] {
    std::vector<zc::fd> sockets;
    for (std::size_t count = 0; count < what.connections; ++count) {
      sockets.push_back(connect_to(listener.get()));
    }
    receiving(std::move(sockets), what).run();
  });
  sockets_ = accept_all(listener.get(), what.connections);
}

std::vector<int> receiver::sockets() const {
  std::vector<int> all;
  for (const zc::fd& each : sockets_) all.push_back(each.get());
  return all;
}

void receiver::finish() {
  sockets_.clear();
  process_->join();
}

}  // namespace bench
