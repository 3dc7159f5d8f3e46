#include "address.hpp"

#include <netdb.h>
#include <netinet/tcp.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <system_error>

namespace ship {

namespace {

void set(int socket, int level, int option, int value) {
  if (::setsockopt(socket, level, option, &value, sizeof value) < 0) {
    throw std::system_error(errno, std::system_category(), "setsockopt");
  }
}

using name_call = int (*)(int, sockaddr*, socklen_t*);

std::string name_of(int socket, name_call ask) {
  address where;
  where.length = sizeof where.storage;
  auto* const raw = reinterpret_cast<sockaddr*>(&where.storage);
  if (ask(socket, raw, &where.length) < 0) return "?";
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (::getnameinfo(raw, where.length, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "?";
  }
  const std::string name = host.data();
  return (raw->sa_family == AF_INET6 ? "[" + name + "]" : name) + ":" + port.data();
}

}  // namespace

host_and_port split(std::string_view text) {
  const auto refuse = [text](const char* why) {
    throw std::invalid_argument(std::string(text) + ": " + why);
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) refuse("not HOST:PORT");
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    refuse("an IPv6 address goes in brackets");
  }
  return {std::string(host), std::string(text.substr(colon + 1))};
}

std::vector<address> resolve(const std::string& text, purpose what) {
  const host_and_port where = split(text);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = what == purpose::listen ? AI_PASSIVE : 0;
  addrinfo* raw = nullptr;
  const int failed = ::getaddrinfo(where.host.empty() ? nullptr : where.host.c_str(),
                                   where.port.c_str(), &hints, &raw);
  if (failed != 0) {
    throw std::runtime_error(
        text + ": " + (failed == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(failed)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(raw, &::freeaddrinfo);
  std::vector<address> found;
  for (const addrinfo* each = list.get(); each != nullptr; each = each->ai_next) {
    address one;
    std::memcpy(&one.storage, each->ai_addr, each->ai_addrlen);
    one.length = each->ai_addrlen;
    found.push_back(one);
  }
  return found;
}

zc::fd tcp_socket(int family) {
  zc::fd made(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!made) throw std::system_error(errno, std::system_category(), "socket");
  return made;
}

zc::fd listen_on(const std::vector<address>& candidates) {
  int error = EADDRNOTAVAIL;
  for (const address& each : candidates) {
    zc::fd listener = tcp_socket(each.get()->sa_family);
    set(listener.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (::bind(listener.get(), each.get(), each.length) == 0 &&
        ::listen(listener.get(), SOMAXCONN) == 0) {
      return listener;
    }
    error = errno;
  }
  throw std::system_error(error, std::system_category(), "cannot listen");
}

std::string local_name(int socket) { return name_of(socket, &::getsockname); }
std::string peer_name(int socket) { return name_of(socket, &::getpeername); }

void tune(int socket) {
  set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(socket, IPPROTO_TCP, TCP_KEEPIDLE, 20);
  set(socket, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set(socket, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

}  // namespace ship
