#include "zc/op/renameat.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/fs.h>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"

TEST_SUITE_BEGIN("kernel");

using support::run_op;

TEST_CASE("op::renameat: gives a file its new name, and replaces what had it") {
  const support::temporary_directory place;
  const std::string from = place.path() / "from";
  const std::string to = place.path() / "to";
  support::write_all(support::open_file(from, O_CREAT | O_WRONLY).get(), "new");
  support::write_all(support::open_file(to, O_CREAT | O_WRONLY).get(), "old");
  CHECK(run_op<zc::op::renameat>(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str()));
  CHECK_FALSE(std::filesystem::exists(from));
  CHECK(support::read_all(support::open_file(to, O_RDONLY).get()) == "new");
}

TEST_CASE("op::renameat: RENAME_NOREPLACE keeps what is there: EEXIST; a missing file is ENOENT") {
  const support::temporary_directory place;
  const std::string from = place.path() / "from";
  const std::string to = place.path() / "to";
  const auto error = [&](unsigned flags) {
    return run_op<zc::op::renameat>(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags).error();
  };
  CHECK(error(0) == std::errc::no_such_file_or_directory);
  CHECK(support::open_file(from, O_CREAT | O_WRONLY));
  CHECK(support::open_file(to, O_CREAT | O_WRONLY));
  CHECK(error(RENAME_NOREPLACE) == std::errc::file_exists);
  CHECK(std::filesystem::exists(from));
}

TEST_SUITE_END();
