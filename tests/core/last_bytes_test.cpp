// Bytes that a task ends with late, or because it was cancelled, are in what is thrown.

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "support/descriptors.hpp"
#include "zc/context.hpp"
#include "zc/left_behind.hpp"
#include "zc/op/nop.hpp"
#include "zc/run_on.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/splice_batch.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

namespace {

zc::task<> fail(const char* text) {
  co_await zc::yield();
  throw std::runtime_error(text);
}

/// As splice() that is cancelled with bytes in between; it takes its time to end.
zc::task<> cut_splice(std::string_view bytes, int turns = 0) {
  try {
    co_await zc::sleep_for(1h);
  } catch (const std::system_error&) {
  }
  for (int i = 0; i < turns; ++i) static_cast<void>(co_await zc::op::nop());
  auto storage = std::make_unique<std::byte[]>(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) storage[i] = static_cast<std::byte>(bytes[i]);
  zc::transfer done;
  done.taken = bytes.size();
  done.remainder = zc::remainder(std::move(storage), 0, bytes.size());
  throw zc::transfer_error(std::move(done), {ECANCELED, std::system_category()}, 100);
}

std::string text_of(const zc::remainder& left) {
  const auto bytes = left.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

using texts = std::vector<std::string>;

/// What `work` threw: its text, if it is no transfer_error, and every remainder in it.
template <class Work>
texts thrown_by(Work work) {
  texts all;
  try {
    work();
  } catch (const std::exception& error) {
    if (const auto* own = dynamic_cast<const zc::transfer_error*>(&error)) {
      all.push_back(text_of(own->remainder()));
    } else {
      all.emplace_back(error.what());
    }
    if (const auto* more = dynamic_cast<const zc::left_behind*>(&error)) {
      for (const zc::transfer& each : more->transfers()) all.push_back(text_of(each.remainder));
    }
  }
  return all;
}

}  // namespace

TEST_CASE("context: bytes of background tasks that end after the run's own are in what it throws") {
  zc::context context;
  const auto body = []() -> zc::task<> {
    try {
      co_await zc::sleep_for(1h);
    } catch (const std::system_error&) {
    }
  };
  context.spawn(fail("background"));
  context.spawn(cut_splice("late", 10));
  context.spawn(cut_splice("later", 20));
  CHECK(thrown_by([&] { context.run(body()); }) == texts{"background", "late", "later"});
  CHECK(thrown_by([&] { context.run(zc::sleep_for(1ms)); }).empty());
}

TEST_CASE(
    "context: a background task's successor, spawned as it is cancelled, is for a later run") {
  zc::context context;
  int begun = 0;
  bool successor_ended = false;
  const auto successor = [&]() -> zc::task<> {
    ++begun;
    co_await zc::yield();
    successor_ended = true;
  };
  const auto lasting = [&]() -> zc::task<> {
    try {
      co_await zc::sleep_for(1h);
    } catch (const std::system_error&) {
    }
    for (int i = 0; i < 10; ++i) static_cast<void>(co_await zc::op::nop());
    context.spawn(successor());
  };
  context.spawn(lasting());
  context.spawn(fail("background"));
  CHECK(thrown_by([&] { context.run(zc::sleep_for(1h)); }) == texts{"background"});
  context.run(zc::sleep_for(1ms));
  CHECK(begun == 1);
  CHECK(successor_ended);
}

TEST_CASE("scope: what was cancelled by its owner is thrown where it has bytes, and only there") {
  const auto with = [](std::vector<std::string> bytes, bool with_failure) {
    return thrown_by([&] {
      const auto fail_late = []() -> zc::task<> {
        for (int i = 0; i < 10; ++i) static_cast<void>(co_await zc::op::nop());
        throw std::runtime_error("failure");
      };
      const auto body = [&]() -> zc::task<> {
        zc::scope tasks;
        for (const std::string& each : bytes) tasks.spawn(cut_splice(each));
        if (with_failure) tasks.spawn(fail_late());
        co_await zc::yield();
        tasks.cancel();
        co_await tasks.join();
      };
      zc::run(body());
    });
  };
  CHECK(with({"", ""}, false).empty());
  CHECK(with({"", "one", "", "two"}, false) == texts{"one", "two"});
  // That something has failed is more news than that it was cancelled.
  CHECK(with({"one", "two"}, true) == texts{"failure", "one", "two"});
  CHECK(with({""}, true) == texts{"failure"});
}

TEST_CASE("run_on: bytes of the threads that were cancelled are in the first exception") {
  const auto factory = [](std::size_t index) {
    return index == 1 ? fail("first") : cut_splice(index == 0 ? "zero" : "two");
  };
  texts all = thrown_by([&] { zc::run_on(3, factory); });
  REQUIRE(all.size() == 3);
  CHECK(all[0] == "first");
  CHECK(all[1] + all[2] == (all[1] == "two" ? "twozero" : "zerotwo"));
}

TEST_CASE("splice_batch: bytes that a callable ends with are in what the batch throws") {
  for (const bool one_fails : {false, true}) {
    CAPTURE(one_fails);
    int given = 0;
    int ended = 0;
    const support::ends pipe = support::make_pipe();
    const zc::fd nowhere(-1);
    const auto next = [&]() -> std::optional<zc::splice_job> {
      if (given == 3) return {};
      ++given;
      return zc::splice_job{nowhere.get(), pipe.second.get(), {}};
    };
    const auto done = [&](zc::splice_job&&, zc::transfer&&) -> zc::task<> {
      ++ended;
      return one_fails && ended == 3 ? fail("failure") : cut_splice(ended == 1 ? "one" : "two");
    };
    const auto body = [&]() -> zc::task<> {
      const zc::batch_result all = co_await zc::splice_batch(next, done);
      CHECK(all.jobs == 0);  // never reached
    };
    const auto cut = [&]() -> zc::task<> {
      zc::scope tasks;
      tasks.spawn(body());
      for (int turn = 0; turn < 5; ++turn) co_await zc::yield();
      tasks.cancel();
      co_await tasks.join();
    };
    const texts all = thrown_by([&] { zc::run(cut()); });
    if (one_fails) {
      CHECK(all == texts{"failure", "one", "two"});
    } else {
      CHECK(all == texts{"one", "two", "two"});
    }
  }
}

TEST_SUITE_END();
