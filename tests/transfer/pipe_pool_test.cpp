#include "transfer/pipe_pool.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <utility>

#include "support/descriptors.hpp"
#include "support/process.hpp"

TEST_SUITE_BEGIN("kernel");

using zc::detail::pipe_pool;

TEST_CASE("pipe_pool: lends as many pipes as it may, and then nothing until one comes back") {
  pipe_pool pool(2, 4096);
  auto a = pool.take();
  auto b = pool.take();
  REQUIRE(a);
  REQUIRE(b);
  CHECK(pool.lent() == 2);
  CHECK_FALSE(pool.take());
  pool.give_back(*std::move(a), true);
  CHECK(pool.take());
  CHECK_FALSE(pipe_pool(0, 4096).take());
}

TEST_CASE("pipe_pool: keeps an empty pipe for the next, and closes one that may hold bytes") {
  pipe_pool pool(2, 4096);
  auto clean = pool.take();
  auto dirty = pool.take();
  REQUIRE(clean);
  REQUIRE(dirty);
  const int kept = clean->read_end.get();
  support::write_all(dirty->write_end.get(), "another's bytes");
  const std::size_t open = support::open_descriptors();
  pool.give_back(*std::move(dirty), false);
  CHECK(support::open_descriptors() == open - 2);
  pool.give_back(*std::move(clean), true);
  CHECK(support::open_descriptors() == open - 2);
  CHECK(pool.idle() == 1);
  CHECK(pool.lent() == 0);
  const auto again = pool.take();
  REQUIRE(again);
  CHECK(again->read_end.get() == kept);
  char byte = 0;
  CHECK(::read(again->read_end.get(), &byte, 1) == -1);
}

TEST_CASE(
    "pipe_pool: pipes lent and kept together stay within the bound, and are closed at its end") {
  const std::size_t open = support::open_descriptors();
  {
    pipe_pool pool(3, 4096);
    for (int round = 0; round < 10; ++round) {
      auto a = pool.take();
      auto b = pool.take();
      auto c = pool.take();
      CHECK_FALSE(pool.take());
      CHECK(support::open_descriptors() == open + 6);
      pool.give_back(*std::move(a), true);
      pool.give_back(*std::move(b), round % 2 == 0);
      pool.give_back(*std::move(c), true);
      CHECK(pool.lent() + pool.idle() <= 3);
    }
  }
  CHECK(support::open_descriptors() == open);
}

TEST_CASE("pipe_pool: gives nothing where the process has no descriptors left") {
  const int status = support::in_child([] {
    const rlimit none{3, 3};
    ::setrlimit(RLIMIT_NOFILE, &none);
    pipe_pool pool(2, 4096);
    return !pool.take() && pool.lent() == 0 ? 0 : 1;
  });
  CHECK(support::exited_with(status, 0));
}

TEST_SUITE_END();
