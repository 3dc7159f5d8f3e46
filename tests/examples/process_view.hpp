#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <vector>

/// What another process holds, as /proc has it.
namespace support {

/// Open descriptors of it, by kind.
struct descriptor_counts {
  std::size_t sockets = 0;
  std::size_t pipes = 0;
  std::size_t others = 0;

  std::size_t all() const { return sockets + pipes + others; }
};
descriptor_counts descriptors_of(pid_t process);

/// Threads of it, the kernel's workers for io_uring included.
std::size_t threads_of(pid_t process);

/// How often each of its threads has waited so far, in the order of their ids.
std::vector<unsigned long> waits_of(pid_t process);

/// Memory of its own (neither files nor shared) that is in RAM.
std::size_t private_bytes_of(pid_t process);

/// Waits until `condition` holds; false where it does not within 20 s (support::slowdown()).
bool comes_true(const std::function<bool()>& condition);

}  // namespace support
