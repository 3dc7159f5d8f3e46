#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>

namespace support {

/// Open descriptors of this process.
std::size_t open_descriptors();

/// Threads of this process that are not the kernel's own workers for io_uring.
std::size_t user_threads();

/// The kernel's workers for io_uring in this process.
std::size_t kernel_workers();

/// Runs `body` in a forked child, as for limits, users and filters that cannot be taken back.
/// Returns the exit status of waitpid(2); an exception in `body` is exit code 99, and printed.
int in_child(const std::function<int()>& body);

/// True if in_child()'s status is a normal exit with `code`.
bool exited_with(int status, int code);

}  // namespace support
