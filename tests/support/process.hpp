#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <functional>

namespace support {

/// How many times longer than usual everything may take, as under valgrind: ZC_TEST_SLOWDOWN, or 1.
unsigned slowdown();

/// Open descriptors of this process.
std::size_t open_descriptors();

/// Starts and ends a thread: ThreadSanitizer starts one of its own with the first of ours, which is
/// to be counted before anything is.
void start_first_thread();

/// Threads of this process that are not the kernel's own workers for io_uring.
std::size_t user_threads();

/// The kernel's workers for io_uring in this process.
std::size_t kernel_workers();

/// Waits until no more than `most` of the kernel's workers are left; false where that takes 20 s.
/// An idle one stays for 5 s, and the last one of each kind as long as the thread it belongs to.
bool kernel_workers_end(std::size_t most);

/// How much of this process's memory is in RAM.
std::size_t resident_bytes();

/// CPU time of all threads of this process, the kernel's workers included.
std::chrono::microseconds cpu_time();

/// A limit on this process for the object's life.
class limit {
 public:
  limit(__rlimit_resource which, rlim_t soft);
  limit(const limit&) = delete;
  limit& operator=(const limit&) = delete;
  ~limit();

 private:
  __rlimit_resource which_;
  rlimit before_{};
};

/// Makes this process, a forked child, one of an ordinary user. False where that is not allowed.
bool become_nobody();

/// Runs `body` in a forked child, as for limits, users and filters that cannot be taken back.
/// Returns the exit status of waitpid(2); an exception in `body` is exit code 99, and printed.
int in_child(const std::function<int()>& body);

/// True if in_child()'s status is a normal exit with `code`.
bool exited_with(int status, int code);

}  // namespace support
