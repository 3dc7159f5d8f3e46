#include "zc/detail/frame_pool.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "zc/context.hpp"
#include "zc/sleep.hpp"
#include "zc/when_all.hpp"

using zc::detail::frame_pool;

namespace {

/// A frame that has just ended.
void give_new(frame_pool& to, std::size_t size) {
  void* const frame = frame_pool::allocate(size);
  std::memset(frame, 0x5a, size);
  to.give(frame, size);
}

zc::task<int> number(int value) {
  co_await zc::yield();
  co_return value;
}

zc::task<std::vector<zc::task<int>>> make_numbers() {
  std::vector<zc::task<int>> made;
  for (int i = 0; i < 100; ++i) made.push_back(number(i));
  co_return made;
}

}  // namespace

TEST_SUITE_BEGIN("unit");

TEST_CASE("frame_pool: what ends is used again for what has its size, and for nothing else") {
  if (!frame_pool::keeps()) return;
  for (const std::size_t size : {1u, 64u, 65u, 1000u, 4096u}) {
    CAPTURE(size);
    frame_pool pool;
    void* const first = pool.take(size);
    pool.give(first, size);
    CHECK(pool.kept_bytes() >= size);
    void* const longer = pool.take(size + 64);
    CHECK(longer != first);
    void* const second = pool.take(size);
    CHECK(second == first);
    CHECK(pool.kept_bytes() == 0);
    std::memset(second, 0x5a, size);
    pool.give(second, size);
    pool.give(longer, size + 64);
  }
}

TEST_CASE("frame_pool: keeps no more than its limit, and nothing that is very large") {
  frame_pool pool;
  std::size_t most = 0;
  for (std::size_t i = 0; i < 10'000; ++i) {
    give_new(pool, 64 + 64 * (i % 60));
    most = std::max(most, pool.kept_bytes());
  }
  CHECK(most <= frame_pool::limit_bytes);
  CHECK((most > frame_pool::limit_bytes - 4096) == frame_pool::keeps());
  const std::size_t before = pool.kept_bytes();
  give_new(pool, 4097);
  give_new(pool, 1 << 20);
  CHECK(pool.kept_bytes() == before);
}

TEST_CASE("frame_pool: what fills it makes room for other sizes") {
  if (!frame_pool::keeps()) return;
  frame_pool pool;
  for (std::size_t i = 0; i < frame_pool::limit_bytes / 1024; ++i) give_new(pool, 1024);
  REQUIRE(pool.kept_bytes() == frame_pool::limit_bytes);
  void* const other = frame_pool::allocate(512);
  pool.give(other, 512);
  CHECK(pool.take(512) == other);
  frame_pool::release(other);
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("kernel");

TEST_CASE("frame_pool: a task made on one thread may run and end on another") {
  for (int i = 0; i < 10; ++i) {
    zc::context here;
    std::vector<zc::task<int>> made = here.run(make_numbers());
    std::vector<zc::task<int>> unused = here.run(make_numbers());
    std::vector<int> values;
    std::vector<zc::task<int>> made_there;
    std::thread other([&] {
      zc::context there;
      values = there.run(zc::when_all(std::move(made)));
      unused.clear();
      made_there = there.run(make_numbers());
    });
    other.join();
    REQUIRE(values.size() == 100);
    CHECK(values.back() == 99);
    CHECK(here.run(zc::when_all(std::move(made_there))) == values);
  }
}

TEST_SUITE_END();
