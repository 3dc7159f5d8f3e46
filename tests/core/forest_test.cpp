// Random trees of tasks: whatever the coroutine kit is combined with, every task ends and is freed.

#include <doctest/doctest.h>
#include <poll.h>

#include <chrono>
#include <random>
#include <stdexcept>
#include <vector>

#include "support/descriptors.hpp"
#include "zc/op/close.hpp"
#include "zc/op/nop.hpp"
#include "zc/op/poll.hpp"
#include "zc/op/splice.hpp"
#include "zc/zc.hpp"

namespace {

using namespace std::chrono_literals;

/// Grows one tree from one seed, and counts the tasks that live.
class forest {
 public:
  explicit forest(unsigned seed) : random_(seed) {}

  long alive() const { return alive_; }

  zc::task<int> grow(int depth) {
    const counted here(alive_);
    int leaves = 0;
    try {
      leaves = depth == 0 ? co_await leaf() : co_await node(depth - 1);
    } catch (const std::exception&) {
      if (below(4) == 0) throw;
    }
    if (below(8) == 0) {
      const zc::result<void> closed = co_await zc::op::close(-1);  // whether cancelled or not
      static_cast<void>(closed);
    }
    co_return leaves;
  }

 private:
  class counted {
   public:
    explicit counted(long& count) : count_(count) { ++count_; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { --count_; }

   private:
    long& count_;
  };

  unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }
  std::chrono::nanoseconds soon() { return std::chrono::microseconds(below(300)); }

  zc::task<int> leaf() {
    const counted here(alive_);
    switch (below(8)) {
      case 0:
        co_await zc::sleep_for(soon());
        break;
      case 1:
        co_await zc::yield();
        break;
      case 2: {
        const zc::result<void> done = co_await zc::op::nop();
        done.value();
        break;
      }
      case 3: {
        const zc::result<unsigned> never = co_await zc::op::poll(pipe_.first.get(), POLLIN);
        static_cast<void>(never.value());
        break;
      }
      case 4: {
        const zc::result<std::size_t> never =
            co_await zc::op::splice(pipe_.first.get(), -1, other_.second.get(), -1, std::size_t{1});
        static_cast<void>(never.value());
        break;
      }
      case 5:
        throw std::runtime_error("a leaf that fails");
      default:
        break;
    }
    co_return 1;
  }

  zc::task<int> node(int depth) {
    const counted here(alive_);
    switch (below(6)) {
      case 0: {
        std::vector<zc::task<int>> children;
        for (unsigned i = below(4); i > 0; --i) children.push_back(grow(depth));
        const std::vector<int> leaves = co_await zc::when_all(std::move(children));
        int sum = 0;
        for (const int each : leaves) sum += each;
        co_return sum;
      }
      case 1: {
        const std::variant<int, int, int> first =
            co_await zc::when_any(grow(depth), grow(depth), grow(depth));
        co_return std::visit([](int leaves) { return leaves; }, first);
      }
      case 2:
        co_return co_await zc::timeout(soon(), grow(depth));
      case 3:
        co_return co_await in_scope(depth);
      case 4:
        co_return co_await stopped(depth);
      default:
        co_return co_await grow(depth);
    }
  }

  zc::task<int> in_scope(int depth) {
    const counted here(alive_);
    zc::scope children;
    for (unsigned i = below(4); i > 0; --i) children.spawn(grow(depth));
    const int leaves = below(2) == 0 ? co_await grow(depth) : 0;
    if (below(3) == 0) children.cancel();
    if (below(2) == 0) co_await children.join();
    for (unsigned i = below(2); i > 0; --i) children.spawn(grow(depth));
    if (below(3) == 0) co_await zc::yield();
    co_return leaves;
  }

  zc::task<int> stopped(int depth) {
    const counted here(alive_);
    std::stop_source stop;
    const auto stopping = [this, &stop]() -> zc::task<int> {
      const counted inner(alive_);
      co_await zc::sleep_for(soon());
      stop.request_stop();
      co_return 0;
    };
    std::vector<zc::task<int>> both;
    both.push_back(stopping());
    both.push_back(zc::with_stop(stop.get_token(), grow(depth)));
    const std::vector<int> leaves = co_await zc::when_all(std::move(both));
    co_return leaves[1];
  }

  std::minstd_rand random_;
  support::ends pipe_ = support::make_pipe();
  support::ends other_ = support::make_pipe();
  long alive_ = 0;
};

/// Grows the trees of some seeds, and fells those that have not ended after 5 ms.
void plant(unsigned first_seed, unsigned count, std::uint32_t entries) {
  zc::context context({.entries = entries});
  for (unsigned seed = first_seed; seed < first_seed + count; ++seed) {
    CAPTURE(seed);
    forest trees(seed);
    try {
      context.run(zc::timeout(5ms, trees.grow(5)));
    } catch (const std::exception&) {
      // A leaf that failed, or the time-out: only how it is left matters.
    }
    REQUIRE(trees.alive() == 0);
  }
}

}  // namespace

TEST_SUITE_BEGIN("kernel");

TEST_CASE("forest: 150 random trees of tasks end, and free all they had") {
  plant(1, 100, 256);
  plant(1001, 50, 1);
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("slow");

TEST_CASE("forest: 4000 random trees of tasks end, and free all they had") {
  plant(10'001, 3000, 256);
  plant(20'001, 1000, 2);
}

TEST_SUITE_END();
