#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "zc/fd.hpp"

/// Descriptors to test with, and contents that say where they belong.
namespace support {

/// The byte at an absolute position: a wrong, missing, doubled or foreign one is seen wherever it
/// lands. `salt` tells streams apart.
char byte_at(std::uint64_t position, unsigned salt = 0);
std::string bytes_at(std::uint64_t position, std::size_t size, unsigned salt = 0);

/// True if `bytes` are those of `position` and after. Cheaper to print than two strings.
bool are_bytes_at(std::string_view bytes, std::uint64_t position, unsigned salt = 0);

/// An anonymous file of `size` such bytes, its position at 0.
zc::fd file_of(std::size_t size, unsigned salt = 0);
zc::fd empty_file();

/// All of a file's contents, whatever its position.
std::string contents(int file);

/// Reads until the end of a stream, on the calling thread.
std::string read_all(int fd);
/// What is in a stream, up to `limit` bytes, without waiting for its end; gives up after 5 s
/// without a byte.
std::string read_some(int fd, std::size_t limit);
/// Writes it all, on the calling thread.
void write_all(int fd, std::string_view bytes);

struct ends {
  zc::fd first;   // read end, or one side
  zc::fd second;  // write end, or the other side
};

/// `flags` are O_NONBLOCK or 0.
ends make_pipe(int flags = 0);
/// AF_UNIX stream; `flags` are SOCK_NONBLOCK or 0.
ends unix_pair(int flags = 0);
/// TCP over loopback; `flags` are SOCK_NONBLOCK or 0, for both sides.
ends tcp_pair(int flags = 0);

/// Leaves a timestamp in the error queue of a TCP socket: until somebody reads it there, poll(2)
/// always says POLLERR.
void leave_in_error_queue(int socket, int peer);
/// A TCP socket that listens on loopback, and its port.
zc::fd tcp_listener(std::uint16_t& port);
/// A pseudo-terminal in raw mode: first the master, second the slave.
ends pty_pair();

/// Has close(2) of `fd` reset the connection instead of ending it.
void reset_on_close(int fd);

void set_nonblocking(int fd, bool on);

/// A new directory, removed with all it holds.
class temporary_directory {
 public:
  temporary_directory();
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;
  ~temporary_directory();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// open(2), throwing std::system_error.
zc::fd open_file(const std::filesystem::path& path, int flags, unsigned mode = 0600);

/// Whether this process may mount: root, and not in a container that forbids it.
bool may_mount();

/// A file system in memory with room for `bytes`, mounted for the object's life (see may_mount()).
class small_filesystem {
 public:
  explicit small_filesystem(std::size_t bytes);
  small_filesystem(const small_filesystem&) = delete;
  small_filesystem& operator=(const small_filesystem&) = delete;
  ~small_filesystem();
  const std::filesystem::path& path() const { return at_.path(); }

 private:
  temporary_directory at_;
};

}  // namespace support
