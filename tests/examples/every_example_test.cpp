// What all examples have in common, whichever there are.

#include <doctest/doctest.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <string>
#include <vector>

#include "examples/program.hpp"
#include "examples/ship_support.hpp"
#include "support/descriptors.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using support::program;
using words = std::vector<std::string>;

/// Command lines with which the examples use a ring.
std::vector<words> uses(const std::string& file, const std::string& directory) {
  const std::string here = "127.0.0.1:0";
  const std::string nobody = "127.0.0.1:1";
  return {
      {"capabilities"},
      {"cat"},
      {"cat", file, file},
      {"copy", file, directory + "/copy"},
      {"serve_file", file, here},
      {"file_server", "--root", directory, "--listen", here},
      {"file_server", "--root", directory, "--listen", here, "--threads", "3"},
      {"tcp_relay", "--listen", here, "--to", nobody},
      {"tcp_relay", "--listen", here, "--to", nobody, "--threads", "3"},
      {"ship", "send", nobody, file},
      {"ship", "receive", here, directory},
  };
}

struct refusal {
  long call;
  int error_number;
};

}  // namespace

TEST_CASE("examples: without io_uring each says why, and ends with 1") {
  const support::temporary_directory at;
  support::make_file(at.path() / "file", "some text");
  const std::vector<words> all = uses(at.path() / "file", at.path());
  for (const std::string& name : support::example_names()) {
    CAPTURE(name);
    CHECK(std::any_of(all.begin(), all.end(), [&](const words& use) { return use[0] == name; }));
  }
  for (const refusal& each :
       {refusal{__NR_io_uring_setup, ENOSYS}, refusal{__NR_io_uring_setup, EPERM},
        refusal{__NR_io_uring_setup, EACCES}, refusal{__NR_io_uring_setup, EOPNOTSUPP},
        refusal{__NR_io_uring_setup, EINVAL}, refusal{__NR_io_uring_setup, ENOMEM},
        refusal{__NR_io_uring_setup, EMFILE}, refusal{__NR_io_uring_setup, ENXIO},
        refusal{__NR_io_uring_enter, EPERM}, refusal{__NR_io_uring_register, EACCES}}) {
    CAPTURE(each.call);
    CAPTURE(each.error_number);
    for (const words& use : all) {
      CAPTURE(use[0]);
      const program::result done = support::run_program(
          use, {.forbidden_call = each.call, .forbidden_error = each.error_number});
      CHECK(done.code == 1);
      CAPTURE(done.out);
      CAPTURE(done.err);
      const std::string& said = use[0] == "capabilities" ? done.out : done.err;
      CHECK(said.find(use[0] == "capabilities" ? "kernel: " : use[0] + ": ") == 0);
      CHECK(said.find("zc: ") != std::string::npos);
      CHECK(said.find("io_uring") != std::string::npos);
      CHECK(said.back() == '\n');
    }
  }
}

TEST_CASE("examples: each has help, which is no error, and refuses what it does not know") {
  for (const std::string& name : support::example_names()) {
    CAPTURE(name);
    const program::result help = support::run_program({name, "--help"});
    CHECK(help.code == 0);
    CHECK(help.out.find("--help") != std::string::npos);
    CHECK(help.err == "");
    const program::result wrong = support::run_program({name, "--no-such-option"});
    CHECK(wrong.code == 2);
    CHECK(wrong.out == "");
    CHECK_FALSE(wrong.err.empty());
  }
}

TEST_SUITE_END();
