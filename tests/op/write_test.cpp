#include "zc/op/write.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <span>
#include <string>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"
#include "zc/sleep.hpp"
#include "zc/when_all.hpp"

TEST_SUITE_BEGIN("kernel");

using support::run_op;

TEST_CASE("op::write: without an offset it writes at the file position and advances it") {
  const zc::fd file = support::empty_file();
  const std::string bytes = support::bytes_at(0, 100);
  REQUIRE(run_op<zc::op::write>(file.get(), bytes.data(), bytes.size()));
  CHECK(::lseek(file.get(), 0, SEEK_CUR) == 100);
  CHECK(support::contents(file.get()) == bytes);
}

TEST_CASE("op::write: with an offset it leaves the position") {
  const zc::fd file = support::file_of(10);
  const std::string bytes = support::bytes_at(10, 20);
  const auto wrote =
      run_op<zc::op::write>(file.get(), std::as_bytes(std::span(bytes)), std::int64_t{10});
  REQUIRE(wrote);
  CHECK(*wrote == 20);
  CHECK(::lseek(file.get(), 0, SEEK_CUR) == 0);
  CHECK(support::contents(file.get()) == support::bytes_at(0, 30));
}

TEST_CASE("op::write: a dead reader is EPIPE without SIGPIPE, a read end EBADF") {
  support::ends pipe = support::make_pipe();
  const auto error = [](int fd) { return run_op<zc::op::write>(fd, "x", std::size_t{1}).error(); };
  CHECK(error(pipe.first.get()) == std::errc::bad_file_descriptor);
  pipe.first = zc::fd();
  CHECK(error(pipe.second.get()) == std::errc::broken_pipe);
}

TEST_CASE("op::write: waits for room, also in a pipe in non-blocking mode") {
  for (const int flags : {0, O_NONBLOCK}) {
    CAPTURE(flags);
    support::ends pipe = support::make_pipe(flags);
    const auto room = static_cast<std::size_t>(::fcntl(pipe.second.get(), F_GETPIPE_SZ));
    support::write_all(pipe.second.get(), support::bytes_at(0, room));
    const auto writing = [&]() -> zc::task<std::size_t> {
      const zc::result<std::size_t> wrote = co_await zc::op::write(pipe.second.get(), "x", 1);
      co_return wrote.value();
    };
    std::string taken(room, '\0');
    const auto reading = [&]() -> zc::task<> {
      co_await zc::sleep_for(std::chrono::milliseconds(5));
      CHECK(::read(pipe.first.get(), taken.data(), room) == static_cast<ssize_t>(room));
    };
    CHECK(std::get<0>(zc::run(zc::when_all(writing(), reading()))) == 1);
    pipe.second = zc::fd();
    CHECK(support::read_all(pipe.first.get()) == "x");
  }
}

TEST_SUITE_END();
