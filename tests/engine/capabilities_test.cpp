#include "zc/capabilities.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <iostream>
#include <set>
#include <string>

#include "support/process.hpp"
#include "support/sanitizers.hpp"
#include "support/seccomp.hpp"
#include "zc/context.hpp"
#include "zc/op/timeout.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using support::forbid;

zc::task<> nothing() { co_return; }

/// Counts without a descriptor of its own, as none may be left.
std::size_t descriptors_open() {
  std::size_t count = 0;
  for (int fd = 0; fd < 1024; ++fd) count += ::fcntl(fd, F_GETFD) >= 0 ? 1u : 0u;
  return count;
}

/// What `action` throws; an empty text where it throws nothing, or with another code.
template <class Action>
std::string text_thrown(std::errc expected, Action action) {
  try {
    action();
  } catch (const std::system_error& error) {
    return error.code() == expected ? error.what() : "";
  }
  return "";
}

/// Whether all ways to ask say that io_uring is refused with `expected`, and what to do about it,
/// and leave nothing behind.
bool is_refused(std::errc expected, const char* says) {
  const std::size_t descriptors = descriptors_open();
  const zc::capability_report report = zc::capabilities();
  const std::string text = text_thrown(expected, [] { zc::run(nothing()); });
  const std::string constructing = text_thrown(expected, [] { const zc::context context; });
  const bool thrown = !text.empty() && constructing == text;
  const std::size_t left = descriptors_open();
  if (left != descriptors) std::cerr << "descriptors: " << descriptors << ", " << left << '\n';
  if (left != descriptors) return false;
  if (!thrown || text.find(says) == std::string::npos) std::cerr << "thrown: " << text << '\n';
  if (report.why_not != text) std::cerr << "reported: " << report.why_not << '\n';
  return thrown && text.find(says) != std::string::npos && !report.io_uring &&
         report.error == expected && report.why_not == text && report.ops.empty();
}

/// Sets a sysctl for its lifetime.
class sysctl_value {
 public:
  sysctl_value(const char* path, const char* value) : path_(path) {
    std::getline(std::ifstream(path_), old_);
    std::ofstream file(path_);
    file << value << std::flush;
    changed_ = !old_.empty() && file.good();
  }
  sysctl_value(const sysctl_value&) = delete;
  sysctl_value& operator=(const sysctl_value&) = delete;
  ~sysctl_value() {
    if (changed_) std::ofstream(path_) << old_ << std::flush;
  }
  bool changed() const { return changed_; }

 private:
  std::string path_;
  std::string old_;
  bool changed_ = false;
};

}  // namespace

TEST_CASE("capabilities: reports the kernel, the pipes' limits, each op and each setup flag") {
  const zc::capability_report report = zc::capabilities();
  CHECK_FALSE(report.kernel.empty());
  CHECK_FALSE(report.liburing.empty());
  CHECK(report.pipe_max_bytes >= 4096);
  REQUIRE(report.io_uring);
  CHECK_FALSE(report.error);
  CHECK(report.why_not.empty());
  std::set<std::string> names;
  for (const auto& each : report.ops) {
    CAPTURE(each.name);
    CHECK(each.supported);  // all of them came before 6.1
    names.insert(each.name);
  }
  for (const char* each :
       {"NOP",      "SPLICE",  "TEE",      "READ",     "WRITE",   "RECV",      "SEND",
        "POLL_ADD", "TIMEOUT", "OPENAT",   "STATX",    "CLOSE",   "SHUTDOWN",  "FSYNC",
        "ACCEPT",   "CONNECT", "UNLINKAT", "RENAMEAT", "MKDIRAT", "FALLOCATE", "ASYNC_CANCEL"}) {
    CAPTURE(each);
    CHECK(names.count(each) == 1);
  }
  CHECK(report.setup_flags.size() == 6);
  for (const auto& each : report.setup_flags) {
    CAPTURE(each.name);
    CHECK(each.in_use);
  }
}

TEST_CASE("capabilities: where seccomp hides or forbids io_uring, the error says so") {
  for (const long call : {__NR_io_uring_setup, __NR_io_uring_enter, __NR_io_uring_register}) {
    for (const int error_number : {ENOSYS, EPERM, EACCES, EOPNOTSUPP, ENXIO}) {
      CAPTURE(call);
      CAPTURE(error_number);
      const int status = support::in_child([call, error_number] {
        if (!forbid(call, error_number)) return 2;
        return is_refused(static_cast<std::errc>(error_number), "seccomp") ? 0 : 1;
      });
      CHECK(support::exited_with(status, 0));
    }
  }
}

TEST_CASE("context: where seccomp comes between its making and its run, run says so") {
  const int status = support::in_child([] {
    zc::context context;
    const std::size_t descriptors = descriptors_open();
    if (!forbid(__NR_io_uring_register, EPERM)) return 2;
    // Once more: it is left as it was.
    for (int i = 0; i < 2; ++i) {
      const std::string text =
          text_thrown(std::errc::operation_not_permitted, [&context] { context.run(nothing()); });
      if (text.find("io_uring_register") == std::string::npos) return 1;
    }
    return descriptors_open() == descriptors ? 0 : 3;
  });
  CHECK(support::exited_with(status, 0));
}

TEST_CASE(
    "context: where seccomp forbids to enter a ring with ops in it, the program ends at once") {
  // Their memory is the kernel's: there is no way on from there.
  const int status = support::in_child([] {
    const support::limit core(RLIMIT_CORE, 0);
    ::signal(SIGABRT, SIG_DFL);
    const auto in_the_ring = []() -> zc::task<> {
      const zc::result<void> over = co_await zc::op::timeout(std::chrono::hours(1));
      static_cast<void>(over);
    };
    const auto sandboxed = [&]() -> zc::task<> {
      zc::scope beside;
      beside.spawn(in_the_ring());
      co_await zc::sleep_for(std::chrono::milliseconds(1));
      if (!forbid(__NR_io_uring_enter, EPERM)) ::_exit(2);
      co_await zc::sleep_for(std::chrono::milliseconds(1));
    };
    zc::run(sandboxed());
    return 3;
  });
  const bool aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  CHECK(aborted);
}

// Clang's address,undefined checks virtual calls by way of a pipe, and cries wolf without one.
#ifndef ZC_TEST_ASAN
TEST_CASE("capabilities: without descriptors left the error names the limit") {
  const int status = support::in_child([] {
    const rlimit none{3, 3};
    ::setrlimit(RLIMIT_NOFILE, &none);
    return is_refused(std::errc::too_many_files_open, "RLIMIT_NOFILE") ? 0 : 1;
  });
  CHECK(support::exited_with(status, 0));
}

TEST_CASE("capabilities: without a descriptor above the standard ones the error names the limit") {
  const int status = support::in_child([] {
    const rlimit few{16, 16};
    ::setrlimit(RLIMIT_NOFILE, &few);
    while (::dup(STDIN_FILENO) >= 0) {
    }
    // The ring gets this number, which is not for it to keep, and then there is no other.
    ::close(STDIN_FILENO);
    return is_refused(std::errc::too_many_files_open, "RLIMIT_NOFILE") ? 0 : 1;
  });
  CHECK(support::exited_with(status, 0));
}
#endif

TEST_CASE("capabilities: with io_uring switched off for everyone the error names the sysctl") {
  int status = 0;
  {
    const sysctl_value off("/proc/sys/kernel/io_uring_disabled", "2");
    if (!off.changed()) {
      MESSAGE("skipped: kernel.io_uring_disabled cannot be set here");
      return;
    }
    status = support::in_child(
        [] { return is_refused(std::errc::operation_not_permitted, "io_uring_disabled") ? 0 : 1; });
  }
  CHECK(support::exited_with(status, 0));
}

TEST_CASE("capabilities: with io_uring switched off for this user the error names the group") {
  int status = 0;
  {
    const sysctl_value privileged_only("/proc/sys/kernel/io_uring_disabled", "1");
    if (!privileged_only.changed()) {
      MESSAGE("skipped: kernel.io_uring_disabled cannot be set here");
      return;
    }
    status = support::in_child([] {
      if (!support::become_nobody()) return 2;
      return is_refused(std::errc::operation_not_permitted, "io_uring_group") ? 0 : 1;
    });
  }
  CHECK(support::exited_with(status, 0));
}

TEST_SUITE_END();
