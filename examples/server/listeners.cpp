#include "server/listeners.hpp"

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "zc/address.hpp"
#include "zc/context.hpp"
#include "zc/listen.hpp"
#include "zc/resolve.hpp"

namespace server {

namespace {

constexpr int bind_attempts = 10;
constexpr std::chrono::milliseconds bind_pause{50};
constexpr int claim_attempts = 20;
constexpr int first_passed = 3;  // SD_LISTEN_FDS_START

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::system_category(), what);
}

/// What it accepts is to send at once what it is given, and inherits that.
void do_not_delay(int socket) {
  const int on = 1;
  if (::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) fail("TCP_NODELAY");
}

listener listen_tcp(const zc::host_port& where) {
  // So that a new copy of the program can start beside an old one.
  const zc::listen_options shared{.reuse_port = true};
  zc::fd socket = zc::listen(zc::run(zc::resolve(where, {.passive = true})), shared);
  do_not_delay(socket.get());
  std::string name = zc::to_string(zc::local_address(socket.get()));
  return {std::move(socket), endpoint::kind::tcp, std::move(name)};
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::memcpy(at.sun_path, path.data(), path.size());  // see endpoint::parse()
  return at;
}

bool call_with(const sockaddr_un& at, int socket,
               int (*call)(int, const sockaddr*, socklen_t)) noexcept {
  return call(socket, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
}

/// For the object's life nobody else looks whether a path in the same directory is stale, and takes
/// it over: two programs would both, and the first to listen would be without its path.
class claim {
 public:
  /// Waits for others, for a while. Without it where the directory cannot be read,
  /// or its file system knows no locks.
  explicit claim(const std::string& path)
      : directory_(::open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (!directory_) return;
    for (int attempt = 1; ::flock(directory_.get(), LOCK_EX | LOCK_NB) < 0; ++attempt) {
      if (errno != EWOULDBLOCK) return;
      if (attempt == claim_attempts) fail(path);
      std::this_thread::sleep_for(bind_pause);
    }
  }

 private:
  static std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return path.substr(0, std::max<std::size_t>(slash, 1));
  }

  zc::fd directory_;  // closing it lets go
};

/// Removes what a program that was killed has left: a socket where nobody listens.
void remove_stale(const sockaddr_un& at) {
  struct stat there {};
  if (::stat(at.sun_path, &there) < 0 || !S_ISSOCK(there.st_mode)) return;
  const zc::fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (call_with(at, probe.get(), ::connect) || errno != ECONNREFUSED) return;
  ::unlink(at.sun_path);
}

/// False where somebody listens there.
bool take_path(const sockaddr_un& at, const std::string& path, int socket) {
  const claim here(path);
  remove_stale(at);
  if (!call_with(at, socket, ::bind)) {
    if (errno != EADDRINUSE) fail(path);
    return false;
  }
  if (::listen(socket, SOMAXCONN) < 0) fail(path);
  return true;
}

listener listen_unix(const std::string& path) {
  const sockaddr_un at = address_of(path);
  zc::fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) fail("socket");
  // One that was killed just now listens until the kernel has done away with its ring.
  for (int attempt = 1; !take_path(at, path, socket.get()); ++attempt) {
    if (attempt == bind_attempts) {
      throw std::system_error(std::make_error_code(std::errc::address_in_use), path);
    }
    std::this_thread::sleep_for(bind_pause);
  }
  return {std::move(socket), endpoint::kind::unix, std::string(unix_prefix) + path};
}

int passed_sockets() noexcept {
  const auto number_of = [](const char* name) {
    const char* const text = std::getenv(name);
    int number = 0;
    if (text != nullptr) std::from_chars(text, text + std::strlen(text), number);
    return number;
  };
  // They may have been meant for the program that has started this one.
  return number_of("LISTEN_PID") == ::getpid() ? number_of("LISTEN_FDS") : 0;
}

std::string name_of(int socket) {
  sockaddr_un at{};
  socklen_t size = sizeof at;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&at), &size) < 0) fail("systemd's socket");
  if (at.sun_family == AF_UNIX) return std::string(unix_prefix) + at.sun_path;
  do_not_delay(socket);
  return zc::to_string(zc::local_address(socket));
}

void add_passed(std::vector<listener>& to) {
  const int count = passed_sockets();
  ::unsetenv("LISTEN_PID");  // they are taken once, and not by what this starts
  if (count <= 0) throw std::runtime_error("systemd has passed no sockets (LISTEN_FDS)");
  for (int raw = first_passed; raw < first_passed + count; ++raw) {
    ::fcntl(raw, F_SETFD, FD_CLOEXEC);
    std::string name = name_of(raw);
    to.emplace_back(zc::fd(raw), endpoint::kind::systemd, std::move(name));
  }
}

}  // namespace

listener::listener(zc::fd socket, endpoint::kind of, std::string name) noexcept
    : socket_(std::move(socket)), of_(of), name_(std::move(name)) {
  // Several threads accept: who finds that another was faster is not to block.
  ::fcntl(socket_.get(), F_SETFL, ::fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
  if (of == endpoint::kind::unix) path_ = name_.substr(unix_prefix.size());
}

listener::~listener() {
  if (socket_) close_door();
}

void listener::let_nobody_in() noexcept {
  if (of_ == endpoint::kind::unix) remove_path();
  if (of_ != endpoint::kind::tcp) return;
  // Drops what begins a connection: a segment with SYN and without ACK. Closing the socket would
  // reset those that have been made and wait to be accepted.
  constexpr unsigned flags_at = 13;
  std::array<sock_filter, 5> code{{
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, flags_at),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
  }};
  const sock_fprog filter{static_cast<unsigned short>(code.size()), code.data()};
  // Where that is not allowed, who comes last may be reset.
  ::setsockopt(socket(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

bool listener::has_waiting() const noexcept {
  pollfd one{socket(), POLLIN, 0};
  return of_ != endpoint::kind::systemd && ::poll(&one, 1, 0) == 1 && (one.revents & POLLIN) != 0;
}

void listener::close_door() noexcept {
  if (of_ == endpoint::kind::unix) remove_path();
  if (of_ != endpoint::kind::systemd) ::shutdown(socket(), SHUT_RDWR);
}

void listener::remove_path() noexcept {
  if (const std::string path = std::exchange(path_, {}); !path.empty()) ::unlink(path.c_str());
}

bool share_an_address(const listener& one, const listener& other) {
  const auto address_of = [](const listener& of) {
    if (of.name().starts_with(unix_prefix)) return zc::address();
    return zc::local_address(of.socket()).unmapped();
  };
  const auto is_any = [](const zc::address& at) {
    return at.host() == "0.0.0.0" || at.host() == "::";
  };
  const zc::address first = address_of(one);
  const zc::address second = address_of(other);
  return first.port() != 0 && first.port() == second.port() &&
         (first == second || is_any(first) || is_any(second));
}

std::vector<listener> listen_at(const std::vector<endpoint>& all) {
  std::vector<listener> made;
  for (const endpoint& each : all) {
    switch (each.is) {
      case endpoint::kind::tcp:
        made.push_back(listen_tcp(each.where));
        break;
      case endpoint::kind::unix:
        made.push_back(listen_unix(each.path));
        break;
      case endpoint::kind::systemd:
        add_passed(made);
        break;
    }
  }
  return made;
}

}  // namespace server
