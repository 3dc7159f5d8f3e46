// context_options::workers: the kernel keeps that limit for each thread, whichever ring sets it.

#include <doctest/doctest.h>
#include <liburing.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <optional>
#include <system_error>
#include <thread>

#include "support/process.hpp"
#include "support/seccomp.hpp"
#include "zc/context.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

/// A ring that is none of zc's, to ask the kernel by, and to set the limit behind zc's back.
class other_ring {
 public:
  other_ring() {
    const int error = io_uring_queue_init(4, &ring_, 0);
    if (error < 0) throw std::system_error(-error, std::system_category(), "io_uring_queue_init");
  }
  other_ring(const other_ring&) = delete;
  other_ring& operator=(const other_ring&) = delete;
  ~other_ring() { io_uring_queue_exit(&ring_); }

  using limits = std::array<unsigned, 2>;
  /// What the calling thread had; 0 changes nothing.
  limits exchange(limits wanted) {
    REQUIRE(io_uring_register_iowq_max_workers(&ring_, wanted.data()) == 0);
    return wanted;
  }
  limits ask() { return exchange({0, 0}); }

 private:
  io_uring ring_{};
};

using limits = other_ring::limits;

zc::task<limits> limits_now() {
  other_ring by;
  co_return by.ask();
}

limits reported(const zc::context& of) {
  const zc::counters now = of.counters();
  return {now.worker_limit, now.unbounded_worker_limit};
}

/// Each case is about a thread that zc has not run on yet.
template <class Play>
void on_a_new_thread(Play play) {
  std::thread(play).join();
}

}  // namespace

TEST_CASE("workers: contexts that take turns on one thread have their own limit each") {
  on_a_new_thread([] {
    other_ring by;
    by.exchange({7, 9});
    zc::context three({.workers = 3});
    zc::context five({.workers = 5});
    zc::context as_it_was({.workers = 0});
    CHECK(reported(three) == limits{0, 0});
    for (int i = 0; i < 2; ++i) {
      CAPTURE(i);
      CHECK(three.run(limits_now()) == limits{3, 3});
      CHECK(five.run(limits_now()) == limits{5, 5});
      CHECK(as_it_was.run(limits_now()) == limits{7, 9});
      // What holds for the one is still what the other had.
      CHECK(reported(three) == limits{3, 3});
      CHECK(reported(five) == limits{5, 5});
      CHECK(reported(as_it_was) == limits{7, 9});
    }
  });
}

TEST_CASE("workers: 0 is what the kernel gives, also after a context that is gone set a limit") {
  on_a_new_thread([] {
    const limits first = zc::run(limits_now(), {.workers = 0});
    CHECK(first[0] > 0);
    CHECK(first[1] > first[0]);
    CHECK(zc::run(limits_now(), {.workers = 2}) == limits{2, 2});
    zc::context again({.workers = 0});
    CHECK(again.run(limits_now()) == first);
    CHECK(reported(again) == first);
  });
}

TEST_CASE("workers: no run asks the kernel for the limit that the thread has already") {
  const int status = support::in_child([] {
    zc::context one({.workers = 4});
    zc::context same({.workers = 4});
    zc::context other({.workers = 6});
    one.run(limits_now());
    // To forbid it shows that it is made by what it does not change.
    if (!support::forbid(__NR_io_uring_register, IORING_REGISTER_IOWQ_MAX_WORKERS, EPERM)) return 2;
    const auto nothing = []() -> zc::task<> { co_return; };
    for (int i = 0; i < 3; ++i) {
      one.run(nothing());
      same.run(nothing());
    }
    if (reported(one) != limits{4, 4} || reported(same) != limits{4, 4}) return 3;
    other.run(nothing());
    return reported(other) == limits{0, 0} ? 0 : 4;
  });
  CHECK(support::exited_with(status, 0));
}

TEST_CASE("workers: a run inside of another context's task leaves that its limit") {
  on_a_new_thread([] {
    zc::context outer({.workers = 5});
    const auto nested = []() -> zc::task<limits> {
      CHECK(zc::run(limits_now(), {.workers = 2}) == limits{2, 2});
      co_return co_await limits_now();
    };
    CHECK(outer.run(nested()) == limits{5, 5});
    CHECK(reported(outer) == limits{5, 5});
  });
}

TEST_CASE("workers: a context that another thread runs takes no limit from its maker for long") {
  on_a_new_thread([] {
    zc::context here({.workers = 5});
    CHECK(here.run(limits_now()) == limits{5, 5});
    std::optional<zc::context> elsewhere(std::in_place, zc::context_options{.workers = 2});
    on_a_new_thread([&elsewhere] {
      CHECK(elsewhere->run(limits_now()) == limits{2, 2});
      CHECK(reported(*elsewhere) == limits{2, 2});
    });
    CHECK(here.run(limits_now()) == limits{5, 5});
    CHECK(reported(here) == limits{5, 5});
  });
}

TEST_CASE("workers: a forked child begins anew") {
  on_a_new_thread([] {
    CHECK(zc::run(limits_now(), {.workers = 3}) == limits{3, 3});
    const int status = support::in_child([] {
      return zc::run(limits_now(), {.workers = 3}) == limits{3, 3} ? 0 : 1;
    });
    CHECK(support::exited_with(status, 0));
  });
}

TEST_CASE("workers: more than the kernel gives is reported as what it gave") {
  const int status = support::in_child([] {
    const support::limit processes(RLIMIT_NPROC, 1000);
    for (const std::uint32_t most :
         {std::uint32_t{5000}, std::numeric_limits<std::uint32_t>::max()}) {
      zc::context many({.workers = most});
      if (many.run(limits_now()) != limits{1000, 1000}) return 1;
      if (reported(many) != limits{1000, 1000}) return 2;
    }
    return 0;
  });
  CHECK(support::exited_with(status, 0));
}

TEST_SUITE_END();
