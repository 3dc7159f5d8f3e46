#include <doctest/doctest.h>
#include <sys/ioctl.h>

#include <string>

#include "../examples/ship/progress_line.hpp"
#include "support/descriptors.hpp"

TEST_SUITE_BEGIN("unit");

TEST_CASE("ship: the progress line is shorter than the terminal is wide, whatever it has to say") {
  const ship::standing now{123, 456789, 1'234'500'000, 98'765'400'000};
  CHECK(ship::progress_text(now, 12'345'678, 80) ==
        "123/456789 files  1234.5/98765.4 MB  12.3 MB/s  131:41 left");
  CHECK(ship::progress_text(now, 12'345'678, 48) ==
        "123/456789 files  1234.5/98765.4 MB  12.3 MB/s");
  CHECK(ship::progress_text(now, 12'345'678, 36) == "123/456789 files  1234.5/98765.4 MB");
  CHECK(ship::progress_text(now, 12'345'678, 35) == "123/456789 files");
  CHECK(ship::progress_text(now, 12'345'678, 8) == "123/456");
  for (std::size_t columns = 1; columns < 100; ++columns) {
    CHECK(ship::progress_text(now, 12'345'678, columns).size() < columns);
  }
  CHECK(ship::progress_text({0, 1, 0, 5'000'000}, 1e6, 80) ==
        "0/1 files  0.0/5.0 MB  1.0 MB/s  0:06 left");
}

TEST_CASE("ship: the progress line asks the terminal how wide it is") {
  const support::ends terminal = support::pty_pair();
  winsize narrow{};
  narrow.ws_col = 23;
  REQUIRE(::ioctl(terminal.second.get(), TIOCSWINSZ, &narrow) == 0);
  CHECK(ship::columns_of(terminal.second.get()) == 23);
  narrow.ws_col = 0;
  REQUIRE(::ioctl(terminal.second.get(), TIOCSWINSZ, &narrow) == 0);
  CHECK(ship::columns_of(terminal.second.get()) == 80);
  CHECK(ship::columns_of(support::make_pipe().first.get()) == 80);
}

TEST_SUITE_END();
