#include "examples/tcp_relay_support.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "examples/process_view.hpp"
#include "support/process.hpp"
#include "zc/address.hpp"
#include "zc/listen.hpp"

namespace support {

namespace {

int patience_ms() { return 20'000 * static_cast<int>(slowdown()); }

bool is_readable(int fd, int timeout_ms) {
  pollfd one{fd, POLLIN, 0};
  return ::poll(&one, 1, timeout_ms) == 1;
}

std::vector<std::string> command_line(const std::string& to, std::vector<std::string> more) {
  std::vector<std::string> words{"tcp_relay", "--json", "--to", to};
  if (std::find(more.begin(), more.end(), "--listen") == more.end()) {
    words.insert(words.end(), {"--listen", "127.0.0.1:0"});
  }
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace

zc::fd reach(const std::string& address) {
  const zc::address where = zc::address::parse(address);
  zc::fd made(::socket(where.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval patience{patience_ms() / 1000, 0};
  ::setsockopt(made.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(made.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(made.get(), where.data(), where.size()) < 0) {
    throw std::system_error(errno, std::system_category(), "connect: " + address);
  }
  return made;
}

heard hear_out(int fd) {
  heard all{{}, ending::silence};
  std::array<char, 65536> buffer{};
  while (is_readable(fd, patience_ms())) {
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (got <= 0) {
      if (got < 0 && errno != ECONNRESET) {
        throw std::system_error(errno, std::system_category(), "recv");
      }
      all.how = got == 0 ? ending::end : ending::reset;
      break;
    }
    all.bytes.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return all;
}

bool hears(int fd, const std::string& expected) {
  std::string got(expected.size(), '\0');
  std::size_t size = 0;
  while (size < got.size() && is_readable(fd, patience_ms())) {
    const ssize_t some = ::recv(fd, &got[size], got.size() - size, 0);
    if (some <= 0) break;
    size += static_cast<std::size_t>(some);
  }
  return size == got.size() && got == expected;
}

bool hears(int fd, std::size_t size, unsigned salt) { return hears(fd, bytes_at(0, size, salt)); }

backend::backend(const std::string& address)
    : listener_(zc::listen(zc::address::parse(address))),
      address_(zc::to_string(zc::local_address(listener_.get()))) {}

zc::fd backend::accept() const {
  if (!is_readable(listener_.get(), patience_ms())) throw std::runtime_error("no connection came");
  zc::fd made(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!made) throw std::system_error(errno, std::system_category(), "accept");
  return made;
}

bool backend::is_asked_for() const { return is_readable(listener_.get(), 0); }

deaf_backend::deaf_backend()
    : listener_(zc::listen(zc::address::parse("127.0.0.1:0"), {.backlog = 0})) {
  const zc::address where = zc::local_address(listener_.get());
  for (int i = 0; i < 4; ++i) {
    callers_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ::connect(callers_.back().get(), where.data(), where.size());
  }
  address_ = zc::to_string(where);
}

running_relay::running_relay(const std::string& to, std::vector<std::string> more,
                             program::options given)
    : process_(command_line(to, std::move(more)), given), address_(process_.address()) {}

std::string running_relay::ask() {
  const std::size_t before = process_.complaints().size();
  process_.signal(SIGUSR1);
  std::string said;
  comes_true([&] {
    said = process_.complaints().substr(before);
    return said.find("}\n") != std::string::npos;
  });
  return said;
}

bool running_relay::comes_to(const std::string& key, std::uint64_t count) {
  return comes_true([&] { return statistic(ask(), key) == static_cast<std::int64_t>(count); });
}

void running_relay::drain() {
  process_.signal(SIGTERM);
  CHECK(comes_true([&] { return times(process_.complaints(), "draining") == 1; }));
}

std::string running_relay::stop() {
  process_.signal(SIGTERM);
  const program::result done = process_.finish();
  CHECK(done.code == 0);
  CHECK(statistic(done.err, "active") == 0);
  return done.err;
}

std::size_t times(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

std::int64_t statistic(const std::string& said, const std::string& key) {
  const std::size_t line = said.rfind("{\"accepted\":");
  const std::size_t at = said.find("\"" + key + "\":", line);
  if (line == std::string::npos || at == std::string::npos) return -1;
  return std::stoll(said.substr(at + key.size() + 3));
}

through connect_through(const running_relay& relay, const backend& behind) {
  through both;
  both.client = reach(relay.address());
  both.server = behind.accept();
  return both;
}

}  // namespace support
