#include "examples/ship_support.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace support {

namespace fs = std::filesystem;

namespace {

/// Until either end has had enough.
void pump(int from, int to, const middleman::hook& on_bytes) {
  std::array<char, 65536> buffer{};
  std::uint64_t forwarded = 0;
  for (;;) {
    const ssize_t got = ::recv(from, buffer.data(), buffer.size(), 0);
    if (got <= 0) break;
    if (on_bytes) on_bytes(forwarded);
    for (ssize_t sent = 0; sent < got;) {
      const ssize_t some =
          ::send(to, buffer.data() + sent, static_cast<std::size_t>(got - sent), MSG_NOSIGNAL);
      if (some <= 0) {
        ::shutdown(from, SHUT_RDWR);
        return;
      }
      sent += some;
    }
    forwarded += static_cast<std::uint64_t>(got);
  }
  ::shutdown(to, SHUT_WR);
}

}  // namespace

void make_file(const fs::path& path, std::string_view bytes) {
  const zc::fd file = open_file(path, O_WRONLY | O_CREAT | O_EXCL);
  write_all(file.get(), bytes);
}

std::map<std::string, std::string> tree_at(const fs::path& top) {
  std::map<std::string, std::string> found;
  for (const auto& each : fs::recursive_directory_iterator(top)) {
    struct stat about {};
    if (::lstat(each.path().c_str(), &about) < 0) {
      throw std::system_error(errno, std::system_category(), each.path());
    }
    std::string text = std::to_string(about.st_mode) + " " + std::to_string(about.st_mtim.tv_sec) +
                       "." + std::to_string(about.st_mtim.tv_nsec) + " ";
    if (S_ISREG(about.st_mode)) text += contents(open_file(each.path(), O_RDONLY).get());
    if (S_ISLNK(about.st_mode)) text += fs::read_symlink(each.path());
    found[fs::path(each.path()).lexically_relative(top)] = text;
  }
  return found;
}

zc::fd connect_to(const std::string& address, int receive_buffer_bytes) {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  where.sin_port =
      htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  zc::fd made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (receive_buffer_bytes > 0) {
    // Before it connects: the window that the peer may use follows from it.
    ::setsockopt(made.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
                 sizeof receive_buffer_bytes);
  }
  if (::connect(made.get(), reinterpret_cast<sockaddr*>(&where), sizeof where) < 0) {
    throw std::system_error(errno, std::system_category(), "connect");
  }
  return made;
}

middleman::middleman(std::string receiver, hook on_bytes)
    : receiver_(std::move(receiver)),
      on_bytes_(std::move(on_bytes)),
      listener_(tcp_listener(port_)),
      thread_([this] { serve(); }) {}

middleman::~middleman() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  thread_.join();
}

void middleman::serve() {
  const zc::fd sender(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!sender) return;
  const zc::fd receiver = connect_to(receiver_);
  std::thread back([&] { pump(receiver.get(), sender.get(), nullptr); });
  pump(sender.get(), receiver.get(), on_bytes_);
  back.join();
}

}  // namespace support
