#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "zc/fd.hpp"

namespace support {

/// An example of zc, or another program, that runs as a child process, its output kept. Killed when
/// the object goes.
class program {
 public:
  struct options {
    int in = -1;                     // its standard input; -1 is /dev/null
    int out = -1;                    // its standard output; -1 is kept for result::out
    bool obeys_permissions = false;  // even as root
    std::size_t descriptors = 0;  // how many it may have open, at most; 0: as many as this process
    long forbidden_call = 0;      // a system call that fails, where forbidden_error is not 0
    int forbidden_error = 0;
    std::string thrown{};  // a file that gets a byte for each exception it throws; empty: none
  };
  struct result {
    int code = -1;  // 128 plus the number for a signal; -1 when it had to be killed
    std::string out;
    std::string err;
  };

  explicit program(std::vector<std::string> arguments) : program(std::move(arguments), options()) {}
  /// `arguments[0]` is the name of an example, or the path of whatever else.
  program(std::vector<std::string> arguments, options given);
  program(const program&) = delete;
  program& operator=(const program&) = delete;
  ~program();

  /// Waits for it to print `listening on ...` and gives the address.
  std::string address();
  pid_t id() const { return child_; }
  /// What it has said on standard error so far.
  std::string complaints() const;
  void signal(int number) const;
  /// Waits for its end, for a minute at most.
  result finish();

 private:
  std::atomic<pid_t> child_{-1};  // signal() may come from another thread
  zc::fd out_;
  zc::fd err_;
};

/// Runs one to its end.
program::result run_program(std::vector<std::string> arguments, program::options given = {});

/// The names of all examples.
std::vector<std::string> example_names();

/// The path of an example.
std::string example(const std::string& name);

/// The path of a program of this machine. Throws where it is not installed.
std::string installed(const std::string& name);

}  // namespace support
