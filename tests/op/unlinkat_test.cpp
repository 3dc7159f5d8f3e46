#include "zc/op/unlinkat.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"

TEST_SUITE_BEGIN("kernel");

using support::run_op;

TEST_CASE("op::unlinkat: removes a file; with AT_REMOVEDIR a directory") {
  const support::temporary_directory place;
  const std::string file = place.path() / "file";
  const std::string directory = place.path() / "directory";
  CHECK(support::open_file(file, O_CREAT | O_WRONLY));
  std::filesystem::create_directory(directory);
  CHECK(run_op<zc::op::unlinkat>(AT_FDCWD, file.c_str()));
  CHECK(run_op<zc::op::unlinkat>(AT_FDCWD, directory.c_str(), AT_REMOVEDIR));
  CHECK(std::filesystem::is_empty(place.path()));
}

TEST_CASE("op::unlinkat: a missing name is ENOENT, a directory EISDIR") {
  const support::temporary_directory place;
  const std::string missing = place.path() / "missing";
  const auto error = [](const char* path) {
    return run_op<zc::op::unlinkat>(AT_FDCWD, path).error();
  };
  CHECK(error(missing.c_str()) == std::errc::no_such_file_or_directory);
  CHECK(error(place.path().c_str()) == std::errc::is_a_directory);
}

TEST_SUITE_END();
