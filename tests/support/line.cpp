#include "support/line.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

#include "zc/op/recv.hpp"
#include "zc/op/send.hpp"

using namespace std::chrono_literals;

namespace support {

line make_line(bool tcp, int flags) {
  ends left = tcp ? tcp_pair(flags) : unix_pair(flags);
  ends right = tcp ? tcp_pair(flags) : unix_pair(flags);
  return {std::move(left.first), std::move(left.second), std::move(right.first),
          std::move(right.second)};
}

zc::task<> take_in(int fd, std::uint64_t size, unsigned salt, intake& got) {
  std::vector<char> buffer(64 * 1024);
  while (got.size < size && !got.ended) {
    const zc::result<std::size_t> some = co_await zc::op::recv(fd, buffer.data(), buffer.size());
    if (!some) {
      got.error = some.error();
      co_return;
    }
    got.right = got.right && are_bytes_at({buffer.data(), *some}, got.size, salt);
    got.size += *some;
    got.ended = *some == 0;
  }
}

zc::task<> give_out(int fd, std::uint64_t size, unsigned salt, std::uint64_t& at) {
  while (at < size) {
    const std::string bytes =
        bytes_at(at, static_cast<std::size_t>(std::min<std::uint64_t>(size - at, 64 * 1024)), salt);
    const zc::result<std::size_t> some = co_await zc::op::send(fd, bytes.data(), bytes.size());
    if (!some) co_return;
    at += *some;
  }
}

zc::task<> give_out(int fd, std::uint64_t size, unsigned salt) {
  std::uint64_t at = 0;
  co_await give_out(fd, size, salt, at);
}

connection connection_of(const zc::fd& socket) {
  const auto port = [&](auto* name_of) {
    sockaddr_in at{};
    socklen_t length = sizeof at;
    name_of(socket.get(), reinterpret_cast<sockaddr*>(&at), &length);
    return ntohs(at.sin_port);
  };
  return {port(::getsockname), port(::getpeername)};
}

std::size_t in_close_wait(const std::vector<connection>& connections) {
  std::size_t count = 0;
  std::ifstream table("/proc/net/tcp");
  std::string row;
  std::getline(table, row);
  while (std::getline(table, row)) {
    unsigned local = 0;
    unsigned remote = 0;
    unsigned state = 0;
    if (std::sscanf(row.c_str(), "%*d: %*x:%x %*x:%x %x", &local, &remote, &state) != 3) continue;
    constexpr unsigned close_wait = 8;  // TCP_CLOSE_WAIT
    if (state != close_wait) continue;
    for (const connection& each : connections) {
      const bool near = each.local == local && each.remote == remote;
      const bool far = each.local == remote && each.remote == local;
      if (near || far) ++count;
    }
  }
  return count;
}

bool leaves_no_close_wait(const std::vector<connection>& connections) {
  for (int i = 0; i < 300; ++i) {
    if (in_close_wait(connections) == 0) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

bool is_gone(std::error_code error) {
  return error == std::errc::connection_reset || error == std::errc::broken_pipe;
}

}  // namespace support
