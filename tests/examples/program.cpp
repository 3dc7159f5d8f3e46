#include "examples/program.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "support/seccomp.hpp"

namespace support {

namespace {

constexpr std::chrono::milliseconds pause{5};
constexpr int pauses = 12'000;

std::filesystem::path examples_directory() {
  if (const char* const given = std::getenv("ZC_EXAMPLES")) return given;
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "examples";
}

/// Takes from root, for good and from what it executes, the right to read what it may not.
bool obey_permissions() {
  return ::geteuid() != 0 || (::prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) == 0 &&
                              ::prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH, 0, 0, 0) == 0);
}

/// Of what it executes: throw_counter.cpp.
bool count_thrown(const std::string& file) {
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  const std::filesystem::path counter = self.parent_path() / "libthrow-counter.so";
  return ::setenv("LD_PRELOAD", counter.c_str(), 1) == 0 &&
         ::setenv("ZC_THROWN", file.c_str(), 1) == 0;
}

/// For good: what it executes may not raise it again.
bool limit_descriptors(std::size_t most) {
  const rlimit both{most, most};
  return ::setrlimit(RLIMIT_NOFILE, &both) == 0;
}

}  // namespace

program::program(std::vector<std::string> arguments, options given)
    : out_(empty_file()), err_(empty_file()) {
  const std::string path = examples_directory() / arguments.at(0);
  std::vector<char*> raw;
  raw.reserve(arguments.size() + 1);
  for (std::string& each : arguments) raw.push_back(each.data());
  raw.push_back(nullptr);
  const zc::fd nothing = open_file("/dev/null", O_RDONLY);
  const int in = given.in >= 0 ? given.in : nothing.get();
  const int out = given.out >= 0 ? given.out : out_.get();
  child_ = ::fork();
  if (child_ < 0) throw std::system_error(errno, std::system_category(), "fork");
  if (child_ > 0) return;
  ::alarm(60 * slowdown());
  const bool ready =
      ::dup2(in, STDIN_FILENO) >= 0 && ::dup2(out, STDOUT_FILENO) >= 0 &&
      ::dup2(err_.get(), STDERR_FILENO) >= 0 && (!given.obeys_permissions || obey_permissions()) &&
      (given.thrown.empty() || count_thrown(given.thrown)) &&
      (given.descriptors == 0 || limit_descriptors(given.descriptors)) &&
      (given.forbidden_error == 0 || forbid(given.forbidden_call, given.forbidden_error));
  if (ready) ::execv(path.c_str(), raw.data());
  ::_exit(126);
}

program::~program() {
  if (child_ < 0) return;
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
}

std::string program::address() {
  constexpr std::string_view prefix = "listening on ";
  for (int i = 0; i < pauses; ++i) {
    const std::string said = contents(out_.get());
    if (said.rfind(prefix, 0) == 0 && said.find('\n') != std::string::npos) {
      return said.substr(prefix.size(), said.find('\n') - prefix.size());
    }
    std::this_thread::sleep_for(pause);
  }
  throw std::runtime_error("the program does not listen: " + contents(err_.get()));
}

std::string program::complaints() const { return contents(err_.get()); }

void program::signal(int number) const {
  const pid_t child = child_;
  // kill(2) takes -1 for every process that there is.
  if (child <= 0) throw std::logic_error("a signal to a program that has ended");
  ::kill(child, number);
}

program::result program::finish() {
  result ended;
  int status = 0;
  for (int i = 0; i < pauses; ++i) {
    if (::waitpid(child_, &status, WNOHANG) == child_) {
      child_ = -1;
      ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      break;
    }
    std::this_thread::sleep_for(pause);
  }
  ended.out = contents(out_.get());
  ended.err = contents(err_.get());
  return ended;
}

program::result run_program(std::vector<std::string> arguments, program::options given) {
  program one(std::move(arguments), given);
  return one.finish();
}

std::string example(const std::string& name) { return examples_directory() / name; }

std::vector<std::string> example_names() {
  std::vector<std::string> names;
  for (const auto& each : std::filesystem::directory_iterator(examples_directory())) {
    const std::string path = each.path();
    if (each.is_regular_file() && ::access(path.c_str(), X_OK) == 0) {
      names.push_back(each.path().filename());
    }
  }
  return names;
}

std::string installed(const std::string& name) {
  std::istringstream folders(std::getenv("PATH"));
  for (std::string folder; std::getline(folders, folder, ':');) {
    folder.append("/").append(name);
    if (::access(folder.c_str(), X_OK) == 0) return folder;
  }
  throw std::runtime_error("not installed: " + name);
}

}  // namespace support
