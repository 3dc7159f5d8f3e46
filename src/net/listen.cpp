#include "zc/listen.hpp"

#include <netinet/in.h>

#include <cerrno>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <system_error>

namespace zc {

namespace {

bool turn(int socket, int level, int option, bool on) noexcept {
  const int value = on ? 1 : 0;
  return ::setsockopt(socket, level, option, &value, sizeof value) == 0;
}

/// Owns nothing, with errno set, where it fails.
fd try_listen(const address& where, const listen_options& options) noexcept {
  fd listener(::socket(where.family(), SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
  const int raw = listener.get();
  const bool done =
      listener && turn(raw, SOL_SOCKET, SO_REUSEADDR, true) &&
      (!options.reuse_port || turn(raw, SOL_SOCKET, SO_REUSEPORT, true)) &&
      (where.family() != AF_INET6 || turn(raw, IPPROTO_IPV6, IPV6_V6ONLY, options.v6_only)) &&
      ::bind(raw, where.data(), where.size()) == 0 && ::listen(raw, options.backlog) == 0;
  if (!done) {
    const int error = errno;
    listener = fd();  // close(2) may say something else
    errno = error;
  }
  return listener;
}

}  // namespace

fd listen(const address& where, listen_options options) {
  fd listener = try_listen(where, options);
  if (listener) return listener;
  const int error = errno;
  throw std::system_error(error, std::system_category(), "zc::listen: " + to_string(where));
}

fd listen(const std::vector<address>& candidates, listen_options options) {
  if (candidates.empty()) throw std::invalid_argument("zc::listen: no address");
  for (std::size_t i = 0; i + 1 < candidates.size(); ++i) {
    fd listener = try_listen(candidates[i], options);
    if (listener) return listener;
  }
  return listen(candidates.back(), options);
}

}  // namespace zc
