#include "zc/transfer.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <string>
#include <system_error>

TEST_SUITE_BEGIN("unit");

TEST_CASE("transfer_error: names the side and the numbers, and keeps them under another code") {
  struct row {
    zc::side side;
    const char* named;
  };
  for (const row& each :
       {row{zc::side::none, "zc::splice: "}, row{zc::side::in, "zc::splice: in: "},
        row{zc::side::out, "zc::splice: out: "}, row{zc::side::zc, "zc::splice: zc: "}}) {
    CAPTURE(each.named);
    zc::transfer done;
    done.moved = 5;
    done.taken = 8;
    done.side = each.side;
    const std::error_code code(EPIPE, std::system_category());
    const zc::transfer_error of_some(std::move(done), code, 10);
    CHECK(of_some.what() == each.named + code.message() + " (moved 5 of 10 bytes)");

    const std::error_code other(ETIMEDOUT, std::system_category());
    const zc::transfer_error again = of_some.with_code(other);
    CHECK(again.code() == other);
    CHECK(again.side() == each.side);
    CHECK(again.moved() == 5);
    CHECK(again.taken() == 8);
    CHECK(again.what() == each.named + other.message() + " (moved 5 of 10 bytes)");
  }
  const zc::transfer_error of_all({}, std::error_code(EIO, std::system_category()), zc::to_end);
  CHECK(std::string(of_all.what()).find("(moved 0 bytes)") != std::string::npos);
}

TEST_SUITE_END();
