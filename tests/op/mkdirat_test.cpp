#include "zc/op/mkdirat.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"

TEST_SUITE_BEGIN("kernel");

using support::run_op;

TEST_CASE("op::mkdirat: makes a directory, with a mode of its own or the default") {
  const support::temporary_directory place;
  const std::string plain = place.path() / "plain";
  const std::string closed = place.path() / "closed";
  CHECK(run_op<zc::op::mkdirat>(AT_FDCWD, plain.c_str()));
  CHECK(run_op<zc::op::mkdirat>(AT_FDCWD, closed.c_str(), 0700u));
  CHECK(std::filesystem::is_directory(plain));
  CHECK(std::filesystem::status(closed).permissions() == std::filesystem::perms::owner_all);
}

TEST_CASE("op::mkdirat: a name that is taken is EEXIST, a missing parent ENOENT") {
  const support::temporary_directory place;
  const std::string orphan = place.path() / "missing" / "child";
  const auto error = [](const char* path) {
    return run_op<zc::op::mkdirat>(AT_FDCWD, path).error();
  };
  CHECK(error(place.path().c_str()) == std::errc::file_exists);
  CHECK(error(orphan.c_str()) == std::errc::no_such_file_or_directory);
}

TEST_SUITE_END();
