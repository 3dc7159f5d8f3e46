#include "zc/op/openat.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"

TEST_SUITE_BEGIN("kernel");

using support::run_op;

TEST_CASE("op::openat: makes a file with the mode asked for, and owns its descriptor") {
  const support::temporary_directory place;
  const std::string path = place.path() / "new";
  const zc::result<zc::fd> file = run_op<zc::op::openat>(
      AT_FDCWD, path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600u);
  REQUIRE(file);
  CHECK((::fcntl(file->get(), F_GETFD) & FD_CLOEXEC) != 0);
  struct stat about {};
  REQUIRE(::fstat(file->get(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0600);
}

TEST_CASE("op::openat: a relative path begins at the directory") {
  const support::temporary_directory place;
  CHECK(support::open_file(place.path() / "there", O_CREAT | O_WRONLY));
  const zc::fd directory = support::open_file(place.path(), O_RDONLY | O_DIRECTORY);
  CHECK(run_op<zc::op::openat>(directory.get(), "there", O_RDONLY | O_CLOEXEC));
  const auto missing = run_op<zc::op::openat>(directory.get(), "elsewhere", O_RDONLY | O_CLOEXEC);
  CHECK(missing.error() == std::errc::no_such_file_or_directory);
}

TEST_SUITE_END();
