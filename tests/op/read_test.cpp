#include "zc/op/read.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <span>
#include <string>

#include "support/descriptors.hpp"
#include "support/run_op.hpp"
#include "zc/sleep.hpp"
#include "zc/when_all.hpp"

TEST_SUITE_BEGIN("kernel");

using support::run_op;

TEST_CASE("op::read: without an offset it reads at the file position and advances it") {
  const zc::fd file = support::file_of(100);
  std::string buffer(60, '\0');
  const auto got = run_op<zc::op::read>(file.get(), buffer.data(), buffer.size());
  REQUIRE(got);
  CHECK(*got == 60);
  CHECK(support::are_bytes_at(buffer, 0));
  CHECK(::lseek(file.get(), 0, SEEK_CUR) == 60);
}

TEST_CASE("op::read: with an offset it leaves the position, and gives 0 at the end") {
  const zc::fd file = support::file_of(100);
  std::array<std::byte, 60> buffer{};
  const std::span<std::byte> whole(buffer);
  const auto some = run_op<zc::op::read>(file.get(), whole, std::int64_t{70});
  REQUIRE(some);
  CHECK(*some == 30);
  CHECK(static_cast<char>(buffer[0]) == support::byte_at(70));
  CHECK(::lseek(file.get(), 0, SEEK_CUR) == 0);
  const auto none = run_op<zc::op::read>(file.get(), whole, std::int64_t{100});
  REQUIRE(none);
  CHECK(*none == 0);
}

TEST_CASE("op::read: waits for bytes, also on a pipe in non-blocking mode") {
  for (const int flags : {0, O_NONBLOCK}) {
    CAPTURE(flags);
    const support::ends pipe = support::make_pipe(flags);
    char byte = 0;
    const auto reading = [&]() -> zc::task<std::size_t> {
      const zc::result<std::size_t> got = co_await zc::op::read(pipe.first.get(), &byte, 1);
      co_return got.value();
    };
    const auto writing = [&]() -> zc::task<> {
      co_await zc::sleep_for(std::chrono::milliseconds(5));
      support::write_all(pipe.second.get(), "x");
    };
    CHECK(std::get<0>(zc::run(zc::when_all(reading(), writing()))) == 1);
    CHECK(byte == 'x');
  }
}

TEST_CASE("op::read: a write end is EBADF, a directory EISDIR") {
  const support::ends pipe = support::make_pipe();
  char byte = 0;
  const auto error = [&](int fd) {
    return run_op<zc::op::read>(fd, &byte, std::size_t{1}).error();
  };
  CHECK(error(pipe.second.get()) == std::errc::bad_file_descriptor);
  const support::temporary_directory place;
  const zc::fd directory = support::open_file(place.path(), O_RDONLY | O_DIRECTORY);
  CHECK(error(directory.get()) == std::errc::is_a_directory);
}

TEST_SUITE_END();
