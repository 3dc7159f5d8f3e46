#include "support/descriptors.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pty.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>

namespace support {

namespace {

int checked(int outcome, const char* call) {
  if (outcome < 0) throw std::system_error(errno, std::system_category(), call);
  return outcome;
}

}  // namespace

char byte_at(std::uint64_t position, unsigned salt) {
  std::uint64_t mixed = (position + 0x9e3779b97f4a7c15u * (salt + 1)) * 0xff51afd7ed558ccdu;
  mixed ^= mixed >> 33;
  return static_cast<char>(mixed >> 24);
}

std::string bytes_at(std::uint64_t position, std::size_t size, unsigned salt) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = byte_at(position + i, salt);
  return bytes;
}

bool are_bytes_at(std::string_view bytes, std::uint64_t position, unsigned salt) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != byte_at(position + i, salt)) return false;
  }
  return true;
}

zc::fd empty_file() { return zc::fd(checked(::memfd_create("zc-test", MFD_CLOEXEC), "memfd")); }

zc::fd file_of(std::size_t size, unsigned salt) {
  zc::fd file = empty_file();
  write_all(file.get(), bytes_at(0, size, salt));
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

std::string contents(int file) {
  std::string all;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t got = checked(static_cast<int>(::pread(file, buffer.data(), buffer.size(),
                                                         static_cast<off_t>(all.size()))),
                                "pread");
    if (got == 0) return all;
    all.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

std::string read_all(int fd) {
  std::string all;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t got = checked(static_cast<int>(::read(fd, buffer.data(), buffer.size())), "read");
    if (got == 0) return all;
    all.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

std::string read_some(int fd, std::size_t limit) {
  std::string some(limit, '?');
  std::size_t size = 0;
  while (size < limit) {
    pollfd one{fd, POLLIN, 0};
    if (::poll(&one, 1, 5000) <= 0) break;
    const int got = checked(static_cast<int>(::read(fd, &some[size], limit - size)), "read");
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  some.resize(size);
  return some;
}

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t some = std::min<std::size_t>(bytes.size(), 1 << 20);
    const int wrote = checked(static_cast<int>(::write(fd, bytes.data(), some)), "write");
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

ends make_pipe(int flags) {
  std::array<int, 2> raw{};
  checked(::pipe2(raw.data(), O_CLOEXEC | flags), "pipe2");
  return {zc::fd(raw[0]), zc::fd(raw[1])};
}

ends unix_pair(int flags) {
  std::array<int, 2> raw{};
  checked(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0, raw.data()), "socketpair");
  return {zc::fd(raw[0]), zc::fd(raw[1])};
}

zc::fd tcp_listener(std::uint16_t& port) {
  zc::fd listener(checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  checked(::bind(listener.get(), generic, length), "bind");
  checked(::listen(listener.get(), 1024), "listen");
  checked(::getsockname(listener.get(), generic, &length), "getsockname");
  port = ntohs(address.sin_port);
  return listener;
}

ends tcp_pair(int flags) {
  std::uint16_t port = 0;
  const zc::fd listener = tcp_listener(port);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  zc::fd client(checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  checked(::connect(client.get(), reinterpret_cast<sockaddr*>(&address), sizeof address),
          "connect");
  zc::fd server(
      checked(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | flags), "accept"));
  set_nonblocking(client.get(), flags != 0);
  return {std::move(client), std::move(server)};
}

void leave_in_error_queue(int socket, int peer) {
  const unsigned stamps =
      SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY;
  checked(::setsockopt(socket, SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps),
          "SO_TIMESTAMPING");
  write_all(socket, "!");
  pollfd one{socket, 0, 0};
  if (checked(::poll(&one, 1, 5000), "poll") != 1 || one.revents != POLLERR) {
    throw std::runtime_error("no timestamp in the error queue");
  }
  read_some(peer, 1);
}

ends pty_pair() {
  int master = -1;
  int slave = -1;
  termios raw{};
  ::cfmakeraw(&raw);
  raw.c_cflag = CS8 | CREAD;
  raw.c_cc[VMIN] = 1;
  checked(::openpty(&master, &slave, nullptr, &raw, nullptr), "openpty");
  ::fcntl(master, F_SETFD, FD_CLOEXEC);
  ::fcntl(slave, F_SETFD, FD_CLOEXEC);
  return {zc::fd(master), zc::fd(slave)};
}

void reset_on_close(int fd) {
  const linger at_once{1, 0};
  checked(::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), "SO_LINGER");
}

void set_nonblocking(int fd, bool on) {
  const int flags = checked(::fcntl(fd, F_GETFL), "F_GETFL");
  checked(::fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK), "F_SETFL");
}

temporary_directory::temporary_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "zc-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::system_error(errno, std::system_category(), "mkdtemp");
  }
  path_ = name;
}

temporary_directory::~temporary_directory() {
  std::error_code ignored;  // a test's left-over, in the temporary directory
  std::filesystem::remove_all(path_, ignored);
}

zc::fd open_file(const std::filesystem::path& path, int flags, unsigned mode) {
  return zc::fd(checked(::open(path.c_str(), flags | O_CLOEXEC, mode), path.c_str()));
}

bool may_mount() {
  try {
    const small_filesystem here(4096);
    return true;
  } catch (const std::system_error& refused) {
    if (refused.code() == std::errc::operation_not_permitted ||
        refused.code() == std::errc::permission_denied) {
      return false;
    }
    throw;
  }
}

small_filesystem::small_filesystem(std::size_t bytes) {
  checked(
      ::mount("zc-test", at_.path().c_str(), "tmpfs", 0, ("size=" + std::to_string(bytes)).c_str()),
      "mount");
}

small_filesystem::~small_filesystem() { ::umount2(at_.path().c_str(), MNT_DETACH); }

}  // namespace support
