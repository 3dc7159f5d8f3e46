#include "zc/op/splice.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"

TEST_SUITE_BEGIN("kernel");

using support::run_op;

TEST_CASE("op::splice: moves a file's bytes at an offset into a pipe, and leaves its position") {
  const zc::fd file = support::file_of(1000);
  support::ends pipe = support::make_pipe();
  const auto moved = run_op<zc::op::splice>(file.get(), std::int64_t{10}, pipe.second.get(),
                                            std::int64_t{-1}, std::size_t{100});
  REQUIRE(moved);
  CHECK(*moved == 100);
  CHECK(::lseek(file.get(), 0, SEEK_CUR) == 0);
  pipe.second = zc::fd();
  CHECK(support::read_all(pipe.first.get()) == support::bytes_at(10, 100));
}

TEST_CASE("op::splice: an offset of -1 uses and advances the file position") {
  const zc::fd file = support::empty_file();
  support::ends pipe = support::make_pipe();
  support::write_all(pipe.second.get(), support::bytes_at(0, 100));
  REQUIRE(run_op<zc::op::splice>(pipe.first.get(), std::int64_t{-1}, file.get(), std::int64_t{-1},
                                 std::size_t{60}));
  CHECK(::lseek(file.get(), 0, SEEK_CUR) == 60);
  CHECK(support::contents(file.get()) == support::bytes_at(0, 60));
}

TEST_CASE("op::splice: the end of the file is 0 bytes") {
  const zc::fd file = support::file_of(10);
  const support::ends pipe = support::make_pipe();
  const auto moved = run_op<zc::op::splice>(file.get(), std::int64_t{10}, pipe.second.get(),
                                            std::int64_t{-1}, std::size_t{100});
  REQUIRE(moved);
  CHECK(*moved == 0);
}

TEST_CASE("op::splice: no pipe is EINVAL, an offset on a pipe ESPIPE, a closed descriptor EBADF") {
  const zc::fd file = support::file_of(10);
  const zc::fd other = support::empty_file();
  const support::ends pipe = support::make_pipe();
  const auto error = [](int in, std::int64_t in_at, int out, std::int64_t out_at) {
    return run_op<zc::op::splice>(in, in_at, out, out_at, std::size_t{1}).error();
  };
  CHECK(error(file.get(), 0, other.get(), 0) == std::errc::invalid_argument);
  CHECK(error(file.get(), 0, pipe.second.get(), 5) == std::errc::invalid_seek);
  CHECK(error(-1, -1, pipe.second.get(), -1) == std::errc::bad_file_descriptor);
}

TEST_CASE("op::splice: a dead reader is EPIPE, without SIGPIPE") {
  const zc::fd file = support::file_of(10);
  support::ends pipe = support::make_pipe();
  pipe.first = zc::fd();
  const auto moved = run_op<zc::op::splice>(file.get(), std::int64_t{0}, pipe.second.get(),
                                            std::int64_t{-1}, std::size_t{10});
  CHECK(moved.error() == std::errc::broken_pipe);
}

TEST_SUITE_END();
