#include "conserve/guard.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>

#include "conserve/check.hpp"
#include "conserve/step.hpp"
#include "support/sanitizers.hpp"
#include "zc/fd.hpp"

#ifdef ZC_TEST_ASAN
#include <sanitizer/lsan_interface.h>
#endif

namespace conserve {

namespace {

constexpr std::size_t most_lanes = 64;

/// Memory that the child writes and the parent reads.
struct report {
  bool finished;
  std::size_t lanes;
  std::array<lane_summary, most_lanes> summaries;
  std::array<char, 8192> problems;
};

class shared_report {
 public:
  shared_report()
      : at_(::mmap(nullptr, sizeof(report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                   0)) {
    if (at_ == MAP_FAILED) throw std::system_error(errno, std::system_category(), "mmap");
  }
  shared_report(const shared_report&) = delete;
  shared_report& operator=(const shared_report&) = delete;
  ~shared_report() { ::munmap(at_, sizeof(report)); }

  report& operator*() { return *static_cast<report*>(at_); }

 private:
  void* at_;
};

void store(report& to, const schedule& all, const std::string& problems, const observation* seen) {
  const std::size_t size = std::min(problems.size(), to.problems.size() - 1);
  std::memcpy(to.problems.data(), problems.data(), size);
  if (seen != nullptr) {
    to.lanes = std::min(all.lanes.size(), most_lanes);
    for (std::size_t i = 0; i < to.lanes; ++i) {
      const zc::transfer& done = seen->lanes[i].done;
      to.summaries[i] = {done.reason, done.route, done.error.value(), done.moved,
                         seen->lanes[i].delivered.size()};
    }
  }
  to.finished = true;
}

void in_child(const schedule& all, report& to) {
  // zc has to cope with SIGPIPE and SIGXFSZ as they are by default; and a crash here is not one of
  // the test program, which may have handlers for it.
  for (const int each : {SIGALRM, SIGPIPE, SIGXFSZ, SIGABRT}) ::signal(each, SIG_DFL);
#if !defined(ZC_TEST_ASAN) && !defined(ZC_TEST_TSAN)
  for (const int each : {SIGSEGV, SIGFPE, SIGILL, SIGTERM, SIGINT}) ::signal(each, SIG_DFL);
#endif
  try {
    const observation seen = run_step(all, workspace());
    std::string problems = problems_of(all, seen);
#ifdef ZC_TEST_ASAN
    if (__lsan_do_recoverable_leak_check() != 0) problems += "memory has leaked\n";
#endif
    store(to, all, problems, &seen);
  } catch (const std::exception& error) {
    store(to, all, std::string("exception: ") + error.what() + '\n', nullptr);
  }
}

/// Where each thread of a process is.
std::string threads_of(pid_t process) {
  std::ostringstream text;
  std::error_code gone;
  const std::string root = "/proc/" + std::to_string(process) + "/task";
  for (const auto& each : std::filesystem::directory_iterator(root, gone)) {
    std::string name;
    std::string where;
    std::string call;
    std::getline(std::ifstream(each.path() / "comm"), name);
    std::getline(std::ifstream(each.path() / "wchan"), where);
    std::getline(std::ifstream(each.path() / "syscall"), call);
    text << "  thread " << each.path().filename().string() << ' ' << name << ": " << where << " ("
         << call << ")\n";
  }
  return text.str();
}

bool wait_for(pid_t child, std::chrono::milliseconds bound) {
  const zc::fd handle(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  pollfd one{handle.get(), POLLIN, 0};
  const auto until = std::chrono::steady_clock::now() + bound;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    if (::poll(&one, 1, static_cast<int>(left.count())) > 0) return true;
  }
}

class temporary {
 public:
  temporary() {
    std::string name = (std::filesystem::temp_directory_path() / "conserve-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
      throw std::system_error(errno, std::system_category(), "mkdtemp");
    }
    path = name;
  }
  temporary(const temporary&) = delete;
  temporary& operator=(const temporary&) = delete;
  ~temporary() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }

  std::filesystem::path path;
};

}  // namespace

const std::filesystem::path& workspace() {
  static const temporary directory;
  return directory.path;
}

verdict guard::run(const schedule& all) {
  workspace();  // of the parent, for all children
  shared_report shared;
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw std::system_error(errno, std::system_category(), "fork");
  if (child == 0) {
    in_child(all, *shared);
    std::fflush(nullptr);
    ::_exit(0);
  }
  verdict result;
  if (!wait_for(child, bound_)) {
    result.hung = true;
    result.problems =
        "has not ended after " + std::to_string(bound_.count()) + " s\n" + threads_of(child);
    ::kill(child, SIGKILL);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (result.hung) return result;
  const report& seen = *shared;
  result.problems = seen.problems.data();
  if (WIFSIGNALED(status)) {
    result.problems += std::string("killed by ") + ::strsignal(WTERMSIG(status)) + '\n';
  } else if (WEXITSTATUS(status) != 0 || !seen.finished) {
    result.problems += "exited with " + std::to_string(WEXITSTATUS(status)) + '\n';
  }
  result.lanes.assign(seen.summaries.begin(),
                      seen.summaries.begin() + static_cast<std::ptrdiff_t>(seen.lanes));
  return result;
}

}  // namespace conserve
