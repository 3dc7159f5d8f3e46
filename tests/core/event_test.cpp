#include "zc/event.hpp"

#include <doctest/doctest.h>

#include <string>
#include <system_error>

#include "zc/context.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"

using namespace std::chrono_literals;

TEST_SUITE_BEGIN("kernel");

TEST_CASE("event: all who wait resume in their order, and later ones at once until it is reset") {
  zc::event ready;
  std::string order;
  const auto wait = [&](char name) -> zc::task<> {
    co_await ready.wait();
    order += name;
  };
  const auto body = [&]() -> zc::task<> {
    zc::scope all;
    for (const char name : {'a', 'b', 'c'}) all.spawn(wait(name));
    co_await zc::yield();
    CHECK(order.empty());
    CHECK(!ready.is_set());
    ready.set();
    co_await all.join();
    CHECK(order == "abc");
    co_await ready.wait();
    ready.reset();
    all.spawn(wait('d'));
    co_await zc::yield();
    CHECK(order == "abc");
    ready.set();
    ready.reset();  // who waited when it was set resumes all the same
    co_await all.join();
    CHECK(order == "abcd");
  };
  zc::run(body());
}

TEST_CASE("event: a cancelled wait throws ECANCELED, also one that is begun in a cancelled task") {
  zc::event never;
  const auto body = [&]() -> zc::task<int> {
    int caught = 0;
    for (int i = 0; i < 2; ++i) {
      try {
        co_await never.wait();
      } catch (const std::system_error& error) {
        caught += error.code() == std::errc::operation_canceled;
      }
    }
    never.set();
    try {
      co_await never.wait();
    } catch (const std::system_error& error) {
      caught += error.code() == std::errc::operation_canceled;
    }
    co_return caught;
  };
  const auto under_scope = [&]() -> zc::task<int> {
    zc::scope all;
    int caught = 0;
    const auto keep = [&]() -> zc::task<> { caught = co_await body(); };
    all.spawn(keep());
    co_await zc::yield();
    all.cancel();
    co_await all.join();
    co_return caught;
  };
  CHECK(zc::run(under_scope()) == 3);
}

TEST_CASE("event: of many waits some are cancelled, and the others stay in line") {
  zc::event ready;
  std::string order;
  const auto wait = [&](char name) -> zc::task<> {
    co_await ready.wait();
    order += name;
  };
  const auto body = [&]() -> zc::task<> {
    zc::scope kept;
    {
      zc::scope dropped;
      for (const char name : {'1', '2', '3', '4', '5'}) {
        (name % 2 == 0 ? kept : dropped).spawn(wait(name));
      }
      co_await zc::yield();
    }
    ready.set();
    co_await kept.join();
  };
  zc::run(body());
  CHECK(order == "24");
}

TEST_SUITE_END();
