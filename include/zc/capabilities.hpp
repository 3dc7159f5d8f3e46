#pragma once

#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

#include "zc/detail/cpp20.hpp"
#include "zc/detail/export.hpp"

namespace zc {

/// What this kernel and this process can do. For bug reports and for choosing at start-up.
struct capability_report {
  struct op {
    std::string name;  // as in io_uring_enter(2), without IORING_OP_
    bool supported = false;
  };
  struct flag {
    std::string name;  // as in io_uring_setup(2), without IORING_SETUP_
    bool in_use = false;
  };

  std::string kernel;             // uname(2) release
  std::string liburing;           // version zc was compiled against
  bool io_uring = false;          // whether a context can be made
  std::error_code error;          // why not
  std::string why_not;            // the same in words, with what to do about it
  std::vector<op> ops;            // each op that zc has
  std::vector<flag> setup_flags;  // the ones zc asks for; those not in use are not in this kernel
  std::uint64_t pipe_max_bytes = 0;        // /proc/sys/fs/pipe-max-size
  std::uint64_t pipe_user_pages_soft = 0;  // /proc/sys/fs/pipe-user-pages-soft; 0: no limit
  std::uint64_t pipe_user_pages_hard = 0;  // /proc/sys/fs/pipe-user-pages-hard; 0: no limit
};

/// Asks the kernel, by setting up a small ring and taking it down. Does not throw for what is
/// missing. Thread-safe.
ZC_API capability_report capabilities();

}  // namespace zc
