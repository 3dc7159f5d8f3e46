#include "zc/channel.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <numeric>
#include <system_error>
#include <utility>
#include <vector>

#include "zc/context.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using values = zc::channel<std::unique_ptr<int>>;

zc::task<> send_range(values& to, int from, int count, bool& all_sent) {
  for (int i = from; i < from + count; ++i) {
    auto value = std::make_unique<int>(i);
    all_sent = co_await to.send(std::move(value)) && all_sent;
  }
}

zc::task<> receive_all(values& from, std::vector<int>& into) {
  for (;;) {
    const std::unique_ptr<int> next = (co_await from.receive()).value_or(nullptr);
    if (!next) co_return;
    into.push_back(*next);
  }
}

}  // namespace

TEST_CASE("channel: every value arrives once and in order, whatever the capacity") {
  for (const std::size_t capacity : {0u, 1u, 3u, 1000u}) {
    CAPTURE(capacity);
    values between(capacity);
    bool all_sent = true;
    std::vector<int> got;
    const auto body = [&]() -> zc::task<> {
      zc::scope senders;
      zc::scope receivers;
      receivers.spawn(receive_all(between, got));
      senders.spawn(send_range(between, 0, 100, all_sent));
      co_await senders.join();
      between.close();
      co_await receivers.join();
    };
    zc::run(body());
    CHECK(all_sent);
    std::vector<int> expected(100);
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(got == expected);
  }
}

TEST_CASE("channel: a full one makes senders wait, in line, and holds no more than its capacity") {
  values between(2);
  bool all_sent = true;
  const auto body = [&]() -> zc::task<> {
    zc::scope senders;
    for (int i = 0; i < 5; ++i) senders.spawn(send_range(between, i, 1, all_sent));
    co_await zc::yield();
    CHECK(senders.running() == 3);
    CHECK(between.size() == 2);
    for (int i = 0; i < 5; ++i) {
      const std::unique_ptr<int> next = (co_await between.receive()).value_or(nullptr);
      REQUIRE(next);
      CHECK(*next == i);
      CHECK(between.size() <= 2);
    }
    co_await senders.join();
    CHECK(!between.try_receive());
  };
  zc::run(body());
  CHECK(all_sent);
}

TEST_CASE("channel: closing lets what is in it be received, and refuses what waits to be sent") {
  values between(1);
  bool all_sent = true;
  const auto body = [&]() -> zc::task<> {
    zc::scope senders;
    senders.spawn(send_range(between, 7, 2, all_sent));
    co_await zc::yield();
    between.close();
    co_await senders.join();
    CHECK(!all_sent);
    auto late = std::make_unique<int>(9);
    CHECK(!between.try_send(std::move(late)));
    CHECK(late);  // what is not taken stays
    CHECK(!co_await between.send(std::move(late)));
    const std::unique_ptr<int> kept = (co_await between.receive()).value_or(nullptr);
    REQUIRE(kept);
    CHECK(*kept == 7);
    CHECK(!(co_await between.receive()).has_value());
    CHECK(!(co_await between.receive()).has_value());
  };
  zc::run(body());
}

TEST_CASE("channel: its memory goes round: in steady state values come and go in the same places") {
  zc::channel<int> between(3);
  int next = 0;
  for (int i = 0; i < 100; ++i) {
    CHECK(between.try_send(int{i}));
    if (i % 3 == 2) {
      CHECK(!between.try_send(-1));
      for (int k = 0; k < 3; ++k) CHECK(between.try_receive() == next++);
      CHECK(!between.try_receive().has_value());
    }
  }
  CHECK(between.size() == 1);
}

TEST_CASE("channel: receivers that wait when it closes resume with nothing") {
  values between(4);
  std::vector<int> got;
  const auto body = [&]() -> zc::task<> {
    zc::scope receivers;
    for (int i = 0; i < 3; ++i) receivers.spawn(receive_all(between, got));
    co_await zc::yield();
    between.close();
    co_await receivers.join();
  };
  zc::run(body());
  CHECK(got.empty());
}

TEST_CASE("channel: a cancelled receive has taken nothing, a cancelled send has given nothing") {
  values between(1);
  bool all_sent = true;
  std::vector<int> got;
  const auto body = [&]() -> zc::task<> {
    {
      zc::scope receivers;
      receivers.spawn(receive_all(between, got));
      co_await zc::yield();
      receivers.cancel();
      CHECK(between.try_send(std::make_unique<int>(1)));
      co_await receivers.join();
      CHECK(got.empty());
    }
    zc::scope senders;
    senders.spawn(send_range(between, 2, 1, all_sent));
    co_await zc::yield();
    senders.cancel();
    co_await senders.join();
    between.close();
    co_await receive_all(between, got);
  };
  zc::run(body());
  CHECK(got == std::vector<int>{1});
}

TEST_SUITE_END();
