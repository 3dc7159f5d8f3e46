#include "zc/op/fsync.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"

TEST_SUITE_BEGIN("kernel");

using support::run_op;

TEST_CASE("op::fsync: succeeds for a file, data only or all") {
  const support::temporary_directory place;
  const zc::fd file = support::open_file(place.path() / "file", O_CREAT | O_WRONLY);
  support::write_all(file.get(), "x");
  CHECK(run_op<zc::op::fsync>(file.get()));
  CHECK(run_op<zc::op::fsync>(file.get(), true));
}

TEST_CASE("op::fsync: a pipe is EINVAL, a closed descriptor EBADF") {
  const support::ends pipe = support::make_pipe();
  CHECK(run_op<zc::op::fsync>(pipe.second.get()).error() == std::errc::invalid_argument);
  CHECK(run_op<zc::op::fsync>(-1).error() == std::errc::bad_file_descriptor);
}

TEST_SUITE_END();
