#include "zc/op/statx.hpp"

#include <doctest/doctest.h>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"

TEST_SUITE_BEGIN("kernel");

using support::run_op;

TEST_CASE("op::statx: tells a file's size by its path, with the default arguments") {
  const support::temporary_directory place;
  const std::string path = place.path() / "file";
  support::write_all(support::open_file(path, O_CREAT | O_WRONLY).get(), "12345");
  const auto about = run_op<zc::op::statx>(AT_FDCWD, path.c_str());
  REQUIRE(about);
  CHECK((about->stx_mask & STATX_SIZE) != 0);
  CHECK(about->stx_size == 5);
}

TEST_CASE("op::statx: asks about an open descriptor with AT_EMPTY_PATH") {
  const zc::fd file = support::file_of(1234);
  const auto about = run_op<zc::op::statx>(file.get(), "", AT_EMPTY_PATH, unsigned{STATX_SIZE});
  REQUIRE(about);
  CHECK(about->stx_size == 1234);
}

TEST_CASE("op::statx: a missing file is ENOENT, a closed descriptor EBADF") {
  const support::temporary_directory place;
  const std::string path = place.path() / "missing";
  const auto missing = run_op<zc::op::statx>(AT_FDCWD, path.c_str());
  CHECK(missing.error() == std::errc::no_such_file_or_directory);
  CHECK(run_op<zc::op::statx>(-1, "x").error() == std::errc::bad_file_descriptor);
}

TEST_SUITE_END();
