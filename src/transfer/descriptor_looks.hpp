#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>

#include "zc/detail/endpoint.hpp"
#include "zc/result.hpp"

namespace zc::detail {

/// Whether a regular file is nothing but memory: on tmpfs and the like.
bool is_in_memory(int fd) noexcept;

/// Looks at descriptors, and remembers for a tick of the coarse clock, some milliseconds, what
/// would have to be asked again for the next transfer.
///
/// A number may be another descriptor's by then. So a look always begins with one system call that
/// tells whether it still can be what is remembered; what that does not tell (whether O_DIRECT was
/// set meanwhile, by fcntl(2)) may cost a wait, and nothing else.
class descriptor_looks {
 public:
  descriptor_looks() noexcept;

  /// What look_at() would say of a source; asks no more than fstat(2) where it knows the file.
  result<endpoint> source(int fd) noexcept;
  /// The same of a target; asks no more than its flags where it knows the socket. Of a socket it
  /// does not say which one it is: that only compares pipes and files.
  result<endpoint> target(int fd) noexcept;

  /// Whether the files on that device are nothing but memory; `fd` is one of them.
  bool is_memory(int fd, dev_t device) noexcept;

 private:
  struct known_file {
    int fd = -1;
    dev_t device = 0;
    ino_t inode = 0;
    std::int64_t seen_at = 0;
  };
  struct known_socket {
    int fd = -1;
    int flags = 0;
    std::int64_t seen_at = 0;
  };
  // A device number may be given to another file system, later.
  struct file_system {
    dev_t device = 0;
    std::int64_t until = 0;
    bool memory = false;
  };

  std::array<known_file, 128> files_{};
  std::array<known_socket, 128> sockets_{};
  std::array<file_system, 16> systems_{};
  int opened_by_name_;  // the flag that the kernel gives to what was opened by its name; 0: none
};

}  // namespace zc::detail
