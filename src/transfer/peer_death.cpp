#include "transfer/peer_death.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cstdint>
#include <utility>

#include "sys/own_descriptor.hpp"
#include "zc/detail/errno_code.hpp"

namespace zc::detail {

unsigned events_of(int fd) noexcept {
  pollfd one{fd, 0, 0};
  return ::poll(&one, 1, 0) == 1 ? static_cast<unsigned>(one.revents) : 0;
}

bool is_dead(unsigned events) noexcept {
  constexpr unsigned both = POLLERR | POLLHUP;
  return (events & both) == both;
}

fd set_of_events(int fd, std::uint32_t events) noexcept {
  zc::fd set = own_descriptor(zc::fd(::epoll_create1(EPOLL_CLOEXEC)));
  epoll_event asked{};
  asked.events = events;
  if (set && ::epoll_ctl(set.get(), EPOLL_CTL_ADD, fd, &asked) < 0) set = {};
  return set;
}

void take_event(const fd& set) noexcept {
  epoll_event taken{};
  [[maybe_unused]] const int count = ::epoll_wait(set.get(), &taken, 1, 0);
}

std::error_code death_of(int fd, int unknown) noexcept {
  int error = 0;
  socklen_t length = sizeof error;
  const bool known = ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error != 0;
  return errno_code(known ? error : unknown);
}

bool is_shut(int fd) noexcept {
  std::uint8_t state = TCP_ESTABLISHED;  // the first member of struct tcp_info
  socklen_t length = sizeof state;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &length) < 0) return false;
  const bool open = state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT;
  return !open && (events_of(fd) & POLLERR) == 0;
}

bool was_reset(int fd) noexcept {
  int protocol = 0;
  socklen_t length = sizeof protocol;
  const bool tcp =
      ::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 && protocol == IPPROTO_TCP;
  return tcp && (events_of(fd) & POLLHUP) != 0;
}

}  // namespace zc::detail
