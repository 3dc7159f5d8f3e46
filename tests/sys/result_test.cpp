#include "zc/result.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>

TEST_SUITE_BEGIN("unit");

namespace {

std::error_code code(std::errc condition) {
  return {static_cast<int>(condition), std::system_category()};
}

}  // namespace

TEST_CASE("result: holds a value") {
  zc::result<std::string> text = std::string("abc");
  CHECK(text);
  CHECK(text.has_value());
  CHECK_FALSE(text.error());
  CHECK(text.value() == "abc");
  CHECK(*text == "abc");
  CHECK(text->size() == 3);
  CHECK(std::move(text).value_or("other") == "abc");
}

TEST_CASE("result: holds an error, which value() throws") {
  zc::result<int> failed = code(std::errc::broken_pipe);
  CHECK_FALSE(failed);
  CHECK(failed.error() == std::errc::broken_pipe);
  CHECK(zc::result<int>(failed).value_or(5) == 5);
  bool thrown = false;
  try {
    static_cast<void>(failed.value());
  } catch (const std::system_error& error) {
    thrown = error.code() == std::errc::broken_pipe;
  }
  CHECK(thrown);
}

TEST_CASE("result: a value that can only be moved is moved out") {
  zc::result<std::unique_ptr<int>> made = std::make_unique<int>(3);
  const std::unique_ptr<int> taken = std::move(made).value();
  CHECK(*taken == 3);
  zc::result<std::unique_ptr<int>> other = std::make_unique<int>(4);
  CHECK(**std::move(other) == 4);
}

TEST_CASE("result<void>: success or an error, which value() throws") {
  const zc::result<void> fine;
  CHECK(fine);
  CHECK_NOTHROW(fine.value());
  const zc::result<void> failed = code(std::errc::io_error);
  CHECK_FALSE(failed);
  CHECK(failed.error() == std::errc::io_error);
  CHECK_THROWS_AS(failed.value(), std::system_error);
}

TEST_SUITE_END();
