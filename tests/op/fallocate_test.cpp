#include "zc/op/fallocate.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/falloc.h>

#include <string>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"

TEST_SUITE_BEGIN("kernel");

using support::run_op;

TEST_CASE("op::fallocate: makes a file longer") {
  const zc::fd file = support::empty_file();
  CHECK(run_op<zc::op::fallocate>(file.get(), 0, std::int64_t{0}, std::int64_t{10000}));
  CHECK(support::contents(file.get()) == std::string(10000, '\0'));
}

TEST_CASE("op::fallocate: punches a hole") {
  const zc::fd file = support::file_of(100);
  CHECK(run_op<zc::op::fallocate>(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                  std::int64_t{0}, std::int64_t{50}));
  CHECK(support::contents(file.get()) == std::string(50, '\0') + support::bytes_at(50, 50));
}

TEST_CASE("op::fallocate: no length is EINVAL, a pipe ESPIPE") {
  const zc::fd file = support::empty_file();
  const support::ends pipe = support::make_pipe();
  const auto error = [](int fd, std::int64_t length) {
    return run_op<zc::op::fallocate>(fd, 0, std::int64_t{0}, length).error();
  };
  CHECK(error(file.get(), 0) == std::errc::invalid_argument);
  CHECK(error(pipe.second.get(), 1) == std::errc::invalid_seek);
}

TEST_SUITE_END();
