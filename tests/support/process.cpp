#include "support/process.hpp"

#include <grp.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#ifdef ZC_TEST_COVERAGE
extern "C" void __gcov_dump();  // <gcov.h> of GCC 12 is not for C++
#endif

namespace support {

namespace {

/// Told by its flags: a worker has its own name only a moment after it is there.
bool is_kernel_worker(const std::string& stat) {
  constexpr unsigned long io_worker = 0x10;  // PF_IO_WORKER in the kernel's sched.h
  // "id (name, which may hold anything) state parent group session tty group-of-tty flags ..."
  std::istringstream fields(stat.substr(stat.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 6; ++i) fields >> skipped;
  unsigned long flags = 0;
  fields >> flags;
  return (flags & io_worker) != 0;
}

/// Leaves a child as _exit(2) does, its coverage written.
[[noreturn]] void leave(int code) {
#ifdef ZC_TEST_COVERAGE
  // A body may have limited what can be written: half a file would spoil what others counted.
  const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
  const rlimit enough{1024, 1024};
  ::setrlimit(RLIMIT_NOFILE, &enough);
  if (::setrlimit(RLIMIT_FSIZE, &unlimited) == 0) __gcov_dump();
#endif
  ::_exit(code);
}

std::size_t threads_where(bool kernel) {
  std::size_t count = 0;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string stat;
    std::getline(std::ifstream(each.path() / "stat"), stat);
    if (stat.empty()) continue;  // gone since it was listed
    if (is_kernel_worker(stat) == kernel) ++count;
  }
  return count;
}

}  // namespace

unsigned slowdown() {
  const char* const given = std::getenv("ZC_TEST_SLOWDOWN");
  return given == nullptr ? 1u : static_cast<unsigned>(std::max(1, std::atoi(given)));
}

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

void start_first_thread() {
  pid_t thread = 0;
  std::thread([&] { thread = ::gettid(); }).join();
  // A joined thread may stay in /proc for a moment.
  while (::access(("/proc/self/task/" + std::to_string(thread)).c_str(), F_OK) == 0) {
    std::this_thread::yield();
  }
}

std::size_t user_threads() { return threads_where(false); }
std::size_t kernel_workers() { return threads_where(true); }

bool kernel_workers_end(std::size_t most) {
  for (int i = 0; i < 400; ++i) {
    if (kernel_workers() <= most) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

std::size_t resident_bytes() {
  std::size_t all = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

std::chrono::microseconds cpu_time() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto micro = [](const timeval& t) {
    return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
  };
  return std::chrono::duration_cast<std::chrono::microseconds>(micro(used.ru_utime) +
                                                               micro(used.ru_stime));
}

limit::limit(__rlimit_resource which, rlim_t soft) : which_(which) {
  ::getrlimit(which_, &before_);
  const rlimit lowered{soft, before_.rlim_max};
  ::setrlimit(which_, &lowered);
}

limit::~limit() { ::setrlimit(which_, &before_); }

bool become_nobody() {
  constexpr uid_t nobody = 65534;
  return ::setgroups(0, nullptr) == 0 && ::setresgid(nobody, nobody, nobody) == 0 &&
         ::setresuid(nobody, nobody, nobody) == 0;
}

int in_child(const std::function<int()>& body) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60 * slowdown());
    int code = 99;
    try {
      code = body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "in child: %s\n", error.what());
    }
    std::fflush(nullptr);
    leave(code);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

bool exited_with(int status, int code) { return WIFEXITED(status) && WEXITSTATUS(status) == code; }

}  // namespace support
