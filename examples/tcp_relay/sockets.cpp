#include "sockets.hpp"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include "zc/sleep.hpp"

namespace tcp_relay {

namespace {

using namespace std::chrono_literals;

// As long as zc::relay() itself waits for a byte of what a dead peer has left behind to be taken.
constexpr auto drain_limit = 1s;
constexpr auto drain_pause = 10ms;

// A peer that is silent is asked after a minute, and is gone when it does not answer for another.
constexpr int keepalive_idle_s = 60;
constexpr int keepalive_interval_s = 10;
constexpr int keepalive_probes = 6;

template <class Value>
void set(int socket, int level, int option, const Value& value) {
  if (::setsockopt(socket, level, option, &value, sizeof value) < 0) {
    throw std::system_error(errno, std::system_category(), "setsockopt");
  }
}

/// Who comes by way of a UNIX socket has nothing of what follows.
bool is_tcp(int socket) noexcept {
  int protocol = 0;
  socklen_t size = sizeof protocol;
  return ::getsockopt(socket, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 &&
         protocol == IPPROTO_TCP;
}

bool is_gone(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) < 0) {
    throw std::system_error(errno, std::system_category(), "getsockopt");
  }
  return info.tcpi_state == TCP_CLOSE;
}

/// How many bytes are not acknowledged.
int on_their_way(int socket) {
  int bytes = 0;
  if (::ioctl(socket, SIOCOUTQ, &bytes) < 0) {
    throw std::system_error(errno, std::system_category(), "ioctl");
  }
  return bytes;
}

}  // namespace

void tune(int socket) {
  if (!is_tcp(socket)) return;
  set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(socket, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_idle_s);
  set(socket, IPPROTO_TCP, TCP_KEEPINTVL, keepalive_interval_s);
  set(socket, IPPROTO_TCP, TCP_KEEPCNT, keepalive_probes);
}

void reset_on_close(int socket) { set(socket, SOL_SOCKET, SO_LINGER, linger{1, 0}); }

zc::task<> drained(int socket) {
  if (!is_tcp(socket)) co_return;
  auto end = std::chrono::steady_clock::now() + drain_limit;
  for (int left = on_their_way(socket); left > 0 && !is_gone(socket);) {
    co_await zc::sleep_for(drain_pause);
    const int before = std::exchange(left, on_their_way(socket));
    const auto now = std::chrono::steady_clock::now();
    if (left < before) end = now + drain_limit;
    if (now >= end) break;
  }
}

}  // namespace tcp_relay
