#include "measure.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <exception>
#include <utility>
#include <vector>

#include "require.hpp"

namespace bench {

namespace {

double cpu_seconds_of(__rusage_who who) {
  rusage used{};
  require(::getrusage(who, &used), "getrusage");
  const auto seconds = [](const timeval& of) {
    return static_cast<double>(of.tv_sec) + static_cast<double>(of.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

const std::vector<std::size_t>& allowed_cores() {
  static const std::vector<std::size_t> allowed = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    require(::sched_getaffinity(0, sizeof set, &set), "sched_getaffinity");
    std::vector<std::size_t> found;
    for (std::size_t core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &set)) found.push_back(core);
    }
    return found;
  }();
  return allowed;
}

/// Runs `work` and ends this process with it, without what the parent left to be flushed.
[[noreturn]] void be_child(const std::function<void()>& work) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  int status = 1;
  try {
    work();
    status = 0;
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
  }
  std::fflush(stderr);
  ::_exit(status);
}

pid_t start_child(const std::function<void()>& work) {
  allowed_cores();  // before anyone is pinned
  std::fflush(stdout);
  const pid_t pid = require(::fork(), "fork");
  if (pid == 0) be_child(work);
  return pid;
}

void wait_for(pid_t pid) {
  int status = 0;
  require(::waitpid(pid, &status, 0), "waitpid");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw std::runtime_error("a process of the measurement failed");
  }
}

}  // namespace

void pin_to(unsigned core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(allowed_cores()[core % allowed_cores().size()], &set);
  require(::sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

unsigned cores() { return static_cast<unsigned>(allowed_cores().size()); }

std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  require(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  require(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
  return limit.rlim_cur;
}

stopwatch::stopwatch()
    : since_(std::chrono::steady_clock::now()), cpu_seconds_(cpu_seconds_of(RUSAGE_SELF)) {}

cost stopwatch::read() const {
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - since_;
  return {passed.count(), cpu_seconds_of(RUSAGE_SELF) - cpu_seconds_};
}

double children_cpu_seconds() { return cpu_seconds_of(RUSAGE_CHILDREN); }

void in_child(const std::function<void()>& work, void* answer, std::size_t size) {
  std::array<int, 2> ends{};
  require(::pipe2(ends.data(), O_CLOEXEC), "pipe2");
  const std::span bytes(static_cast<std::byte*>(answer), size);
  const pid_t pid = start_child([&] {
    work();
    write_all(ends[1], bytes);
  });
  ::close(ends[1]);
  std::exception_ptr failure;
  try {
    read_all(ends[0], bytes);
  } catch (...) {
    failure = std::current_exception();
  }
  ::close(ends[0]);
  wait_for(pid);
  if (failure) std::rethrow_exception(failure);
}

helper_process::helper_process(unsigned core, const std::function<void()>& work)
    : pid_(start_child([&] {
        pin_to(core);
        work();
      })) {}

helper_process::~helper_process() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void helper_process::join() { wait_for(std::exchange(pid_, -1)); }

void write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = require(::write(fd, bytes.data(), bytes.size()), "write");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void read_all(int fd, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = require(::read(fd, bytes.data(), bytes.size()), "read");
    if (got == 0) throw std::runtime_error("the other process ended too early");
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace bench
