// A loop of what is refused at once keeps its own task busy, and no other, and can be cancelled.

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <system_error>
#include <vector>

#include "zc/address.hpp"
#include "zc/connect.hpp"
#include "zc/context.hpp"
#include "zc/relay.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/splice.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

namespace {

// A loop that nobody else is let in beside ends here, and the test fails.
constexpr int round_limit = 200'000;

struct refused {
  const char* name;
  std::function<zc::task<>()> once;
};

std::vector<refused> all_refused() {
  return {
      {"relay",
       []() -> zc::task<> {
         const zc::relay_result done = co_await zc::relay(-1, -1);
         CHECK(done.a_to_b.error == std::errc::bad_file_descriptor);
       }},
      {"try_splice",
       []() -> zc::task<> {
         const zc::transfer done = co_await zc::try_splice(-1, -1);
         CHECK(done.error == std::errc::bad_file_descriptor);
       }},
      {"connect", []() -> zc::task<> { co_await zc::connect(zc::address()); }},
      {"connect to one of several",
       []() -> zc::task<> { co_await zc::connect(std::vector<zc::address>(2)); }},
  };
}

/// What a busy loop must not hold up: a timer and turns of the loop.
zc::task<> live() {
  co_await zc::sleep_for(1ms);
  for (int i = 0; i < 10; ++i) co_await zc::yield();
}

}  // namespace

TEST_CASE("refused at once: who asks again and again holds nobody up") {
  for (const refused& each : all_refused()) {
    CAPTURE(each.name);
    bool over = false;
    int rounds = 0;
    const auto again = [&]() -> zc::task<> {
      while (!over && rounds < round_limit) {
        ++rounds;
        try {
          co_await each.once();
        } catch (const std::system_error& error) {
          CHECK(error.code() == std::errc::address_family_not_supported);
        }
      }
    };
    const auto beside = [&]() -> zc::task<> {
      zc::scope busy;
      busy.spawn(again());
      co_await live();
      CHECK(rounds > 3);
      CHECK(rounds < round_limit);
      over = true;
      co_await busy.join();
    };
    zc::run(beside());
  }
}

TEST_CASE("refused at once: connect in a cancelled task says so") {
  for (const bool several : {false, true}) {
    CAPTURE(several);
    int rounds = 0;
    bool cancelled = false;
    const auto again = [&]() -> zc::task<> {
      while (!cancelled && rounds < round_limit) {
        ++rounds;
        try {
          if (several) {
            co_await zc::connect(std::vector<zc::address>(2));
          } else {
            co_await zc::connect(zc::address());
          }
        } catch (const std::system_error& error) {
          cancelled = error.code() == std::errc::operation_canceled;
        }
      }
    };
    const auto beside = [&]() -> zc::task<> {
      zc::scope busy;
      busy.spawn(again());
      co_await live();
      busy.cancel();
      co_await busy.join();
    };
    zc::run(beside());
    CHECK(cancelled);
  }
}

TEST_SUITE_END();
