#include "zc/context.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "support/scripted_kernel.hpp"
#include "zc/op/close.hpp"
#include "zc/op/nop.hpp"
#include "zc/op/poll.hpp"
#include "zc/op/timeout.hpp"
#include "zc/op/write.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/splice.hpp"
#include "zc/when_all.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

namespace {

/// Runs `left` contexts, each inside of the one before.
zc::task<> descend(int left, int& reached) {
  (co_await zc::op::nop()).value();
  if (left > 0) zc::run(descend(left - 1, reached), {.entries = 4});
  (co_await zc::op::nop()).value();
  ++reached;
}

zc::task<int> number(int value) {
  co_await zc::yield();
  co_return value;
}

zc::task<> fail(const char* text) {
  co_await zc::yield();
  throw std::runtime_error(text);
}

/// Sleeps until it is cancelled, and then takes a few more turns of the loop to end.
zc::task<> end_slowly(int& ended) {
  try {
    co_await zc::sleep_for(1h);
  } catch (const std::system_error&) {
  }
  for (int i = 0; i < 5; ++i) {
    const zc::result<void> closed = co_await zc::op::close(-1);  // not to be cancelled
    static_cast<void>(closed);
  }
  ++ended;
  throw std::system_error(ECANCELED, std::system_category(), "ended slowly");
}

bool is_cancelled(zc::context& context) {
  try {
    context.run(zc::sleep_for(1h));
  } catch (const std::system_error& error) {
    return error.code() == std::errc::operation_canceled;
  }
  return false;
}

bool is_blocked(int signal) {
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return sigismember(&mask, signal) == 1;
}

bool is_pending(int signal) {
  sigset_t pending;
  sigpending(&pending);
  return sigismember(&pending, signal) == 1;
}

// Set around a test that stops a context from a signal handler.
zc::context* to_stop = nullptr;
extern "C" void stop_it(int) { to_stop->stop(); }

}  // namespace

TEST_CASE("context: run returns the task's value or throws its exception, again and again") {
  zc::context context;
  CHECK(context.run(number(1)) == 1);
  CHECK_THROWS_WITH(context.run(fail("on purpose")), "on purpose");
  CHECK(context.run(number(2)) == 2);
}

TEST_CASE("context: made in one thread and run in another") {
  auto context = std::make_unique<zc::context>();
  int value = 0;
  std::thread other([&] {
    value = context->run(number(7));
    context.reset();
  });
  other.join();
  CHECK(value == 7);
}

TEST_CASE("context: run in a second thread throws std::logic_error, also when the first is gone") {
  zc::context context;
  bool refused = false;
  std::thread first([&] {
    CHECK(context.run(number(1)) == 1);
    std::thread second([&] {
      try {
        context.run(number(2));
      } catch (const std::logic_error&) {
        refused = true;
      }
    });
    second.join();
  });
  first.join();
  CHECK(refused);
  refused = false;
  // Its std::thread::id may well be that of the first.
  std::thread third([&] {
    try {
      context.run(number(3));
    } catch (const std::logic_error&) {
      refused = true;
    }
  });
  third.join();
  CHECK(refused);
}

TEST_CASE("context: run inside its own task throws std::logic_error, through another one too") {
  zc::context context;
  const auto directly = [&]() -> zc::task<> {
    context.run(number(1));
    co_return;
  };
  CHECK_THROWS_AS(context.run(directly()), std::logic_error);
  const auto indirectly = [&]() -> zc::task<> {
    zc::run(directly());
    co_return;
  };
  CHECK_THROWS_AS(context.run(indirectly()), std::logic_error);
  CHECK(context.run(number(2)) == 2);
}

TEST_CASE("context: another one may run inside a task, and scopes know which one they are in") {
  int sum = 0;
  const auto add = [&](int value) -> zc::task<> {
    co_await zc::sleep_for(1ms);
    sum += value;
  };
  const auto inner = [&]() -> zc::task<> {
    zc::scope tasks;
    tasks.spawn(add(1));
    co_await tasks.join();
  };
  const auto outer = [&]() -> zc::task<> {
    zc::scope tasks;
    tasks.spawn(add(10));
    zc::run(inner());
    tasks.spawn(add(100));
    co_await tasks.join();
  };
  zc::run(outer());
  CHECK(sum == 111);
}

TEST_CASE("context: more of them inside one another than a thread has numbers for rings") {
  int reached = 0;
  // The kernel has 16.
  for (int time = 1; time <= 2; ++time) {
    zc::run(descend(20, reached));
    CHECK(reached == 21 * time);
  }
}

TEST_CASE("context: two of them run in two threads") {
  const auto work = []() -> zc::task<int> {
    int sum = 0;
    for (int i = 0; i < 500; ++i) {
      const zc::result<void> done = co_await zc::op::nop();
      sum += done ? co_await number(1) : 0;
    }
    co_return sum;
  };
  int other_sum = 0;
  std::thread other([&] { other_sum = zc::run(work()); });
  CHECK(zc::run(work()) == 500);
  other.join();
  CHECK(other_sum == 500);
}

TEST_CASE("context: stop cancels the run it meets, the next run goes on") {
  zc::context context;
  std::thread other([&] {
    std::this_thread::sleep_for(20ms);
    context.stop();
  });
  CHECK(is_cancelled(context));
  other.join();
  CHECK(context.run(number(1)) == 1);
}

TEST_CASE("context: stop before run cancels the next run, and only that") {
  zc::context context;
  for (int i = 0; i < 3; ++i) {
    context.stop();
    CHECK(is_cancelled(context));
    context.run(zc::sleep_for(1ms));
  }
}

TEST_CASE("context: stop from a task of its own") {
  zc::context context;
  const auto stopping = [&]() -> zc::task<> {
    context.stop();
    co_await zc::sleep_for(1h);
  };
  CHECK_THROWS_AS(context.run(stopping()), std::system_error);
}

TEST_CASE("context: stop from a signal handler, whichever way the loop waits") {
  zc::context context;
  to_stop = &context;
  const auto old = ::signal(SIGUSR1, stop_it);
  const pthread_t here = pthread_self();
  for (int i = 0; i < 20; ++i) {
    std::thread other([&] {
      std::this_thread::sleep_for(i * 200us);
      pthread_kill(here, SIGUSR1);
    });
    CHECK(is_cancelled(context));
    other.join();
  }
  ::signal(SIGUSR1, old);
  to_stop = nullptr;
}

TEST_CASE("context: signals do not disturb a run") {
  const auto old = ::signal(SIGUSR1, [](int) {});
  const pthread_t here = pthread_self();
  std::thread other([&] {
    for (int i = 0; i < 50; ++i) {
      std::this_thread::sleep_for(500us);
      pthread_kill(here, SIGUSR1);
    }
  });
  zc::run(zc::sleep_for(20ms));
  other.join();
  ::signal(SIGUSR1, old);
}

TEST_CASE("context: more ops in flight than its ring has entries: none is lost") {
  for (const std::uint32_t entries : {0u, 1u, 2u, 3u, 8u}) {
    CAPTURE(entries);
    int ended = 0;
    const auto one = [&](int i) -> zc::task<> {
      // A timer's completion comes when nobody is submitting: 5000 overflow the completion queue.
      const zc::result<void> done =
          i % 2 == 0 ? co_await zc::op::nop() : co_await zc::op::timeout(5ms);
      if (done) ++ended;
    };
    const auto all = [&]() -> zc::task<> {
      std::vector<zc::task<>> ops;
      ops.reserve(5000);
      for (int i = 0; i < 5000; ++i) ops.push_back(one(i));
      co_await zc::when_all(std::move(ops));
    };
    zc::run(all(), {.entries = entries});
    CHECK(ended == 5000);
  }
}

TEST_CASE("context: 5000 ops cancelled at once through a tiny ring all end with ECANCELED") {
  for (const std::uint32_t entries : {1u, 4u}) {
    for (const bool submitted : {false, true}) {
      CAPTURE(entries);
      CAPTURE(submitted);
      const support::ends pipe = support::make_pipe();
      int cancelled = 0;
      const auto one = [&](int i) -> zc::task<> {
        if (i % 2 == 0) {
          const zc::result<unsigned> ready = co_await zc::op::poll(pipe.first.get(), POLLIN);
          if (ready.error() == std::errc::operation_canceled) ++cancelled;
        } else {
          const zc::result<void> over = co_await zc::op::timeout(1h);
          if (over.error() == std::errc::operation_canceled) ++cancelled;
        }
      };
      const auto all = [&]() -> zc::task<> {
        zc::scope tasks;
        for (int i = 0; i < 5000; ++i) tasks.spawn(one(i));
        co_await zc::yield();
        if (submitted) co_await zc::sleep_for(1ms);
        tasks.cancel();
        co_await tasks.join();
      };
      zc::run(all(), {.entries = entries});
      CHECK(cancelled == 5000);
    }
  }
}

TEST_CASE("context: spawned tasks make progress during runs and stand still between them") {
  zc::context context;
  int steps = 0;
  const auto background = [&]() -> zc::task<> {
    for (;;) {
      ++steps;
      co_await zc::yield();
    }
  };
  context.spawn(background());
  CHECK(steps == 0);
  context.run(zc::sleep_for(1ms));
  const int first = steps;
  CHECK(first > 0);
  std::this_thread::sleep_for(1ms);
  CHECK(steps == first);
  context.run(number(1));
  CHECK(steps > first);
}

TEST_CASE("context: its end cancels spawned tasks and awaits them") {
  int ended = 0;
  const auto begun = std::chrono::steady_clock::now();
  {
    zc::context context;
    for (int i = 0; i < 100; ++i) context.spawn(end_slowly(ended));
    context.run(number(1));
    CHECK(ended == 0);
  }
  CHECK(ended == 100);
  CHECK(std::chrono::steady_clock::now() - begun < 30s);
}

TEST_CASE("context: spawned tasks end also where the context never ran") {
  int ended = 0;
  {
    zc::context context;
    context.spawn(end_slowly(ended));
  }
  CHECK(ended == 1);
}

TEST_CASE("context: a spawned task may spawn in its last moments") {
  int ended = 0;
  {
    zc::context context;
    const auto last_wish = [&]() -> zc::task<> {
      try {
        co_await zc::sleep_for(1h);
      } catch (const std::system_error&) {
        context.spawn(end_slowly(ended));
      }
    };
    context.spawn(last_wish());
    context.run(number(1));
  }
  CHECK(ended == 1);
}

TEST_CASE("context: run inside a spawned task that the context's end runs throws too") {
  bool refused = false;
  {
    zc::context context;
    const auto background = [&]() -> zc::task<> {
      try {
        co_await zc::sleep_for(1h);
      } catch (const std::system_error&) {
      }
      try {
        context.run(number(1));
      } catch (const std::logic_error&) {
        refused = true;
      }
    };
    context.spawn(background());
    context.run(number(1));
  }
  CHECK(refused);
}

TEST_CASE("context: a spawned task's exception cancels its siblings and the run, which throws it") {
  int ended = 0;
  zc::context context;
  context.spawn(end_slowly(ended));
  context.spawn(fail("background"));
  CHECK_THROWS_WITH_AS(context.run(zc::sleep_for(1h)), "background", std::runtime_error);
  CHECK(ended == 1);
  // It is thrown once; what the siblings made of their cancellation is dropped.
  CHECK(context.run(number(1)) == 1);
  context.run(zc::sleep_for(1ms));
  context.spawn(fail("again"));
  CHECK_THROWS_WITH_AS(context.run(zc::sleep_for(1h)), "again", std::runtime_error);
}

TEST_CASE("context: a spawned task's exception is thrown also when the run ends beside it") {
  int ended = 0;
  zc::context context;
  context.spawn(end_slowly(ended));
  context.spawn(fail("background"));
  CHECK_THROWS_WITH_AS(context.run(number(1)), "background", std::runtime_error);
  CHECK(context.run(number(1)) == 1);
  context.run(zc::sleep_for(2ms));
}

TEST_CASE("context: spawning while a spawned task's exception is on its way does not lose it") {
  zc::context context;
  context.spawn(fail("background"));
  const auto cleaning_up = [&]() -> zc::task<> {
    try {
      co_await zc::sleep_for(1h);
    } catch (const std::system_error&) {
      context.spawn(fail("a later one"));
    }
  };
  CHECK_THROWS_WITH_AS(context.run(cleaning_up()), "background", std::runtime_error);
}

TEST_CASE("context: a run that the ring fails throws, and leaves the context usable") {
  zc::context context;
  const auto work = []() -> zc::task<int> {
    co_await zc::yield();
    co_return 7;
  };
  {
    support::scripted_kernel broken(
        {support::fault::kind::enter_fails, EIO, 0, support::fault::ever_after});
    broken.stand_before(context);
    std::error_code code;
    try {
      context.run(work());
    } catch (const std::system_error& error) {
      code = error.code();
    }
    CHECK(code == std::errc::io_error);
  }
  CHECK(context.run(work()) == 7);
  context.spawn(zc::sleep_for(std::chrono::hours(1)));
  context.stop();
  CHECK_THROWS_AS(context.run(zc::sleep_for(std::chrono::hours(1))), std::system_error);
}

TEST_CASE("context: made and run 1000 times") {
  int sum = 0;
  for (int i = 0; i < 1000; ++i) sum += zc::run(number(1), {.entries = 4});
  CHECK(sum == 1000);
}

TEST_CASE("context: after run the signal mask is as before, and no SIGPIPE of ours is pending") {
  REQUIRE_FALSE(is_blocked(SIGPIPE));
  support::ends sockets = support::unix_pair(SOCK_NONBLOCK);
  sockets.second = zc::fd();
  const zc::fd file = support::file_of(100);
  const auto into_the_void = [&]() -> zc::task<bool> {
    CHECK(is_blocked(SIGPIPE));
    CHECK(is_blocked(SIGXFSZ));
    const zc::transfer done = co_await zc::try_splice(file.get(), sockets.first.get());
    co_return done.error == std::errc::broken_pipe;
  };
  CHECK(zc::run(into_the_void()));
  CHECK_FALSE(is_blocked(SIGPIPE));
  CHECK_FALSE(is_blocked(SIGXFSZ));
  CHECK_FALSE(is_pending(SIGPIPE));
}

TEST_CASE("context: a SIGPIPE that was blocked and pending before stays so") {
  sigset_t pipe_only;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  sigset_t old;
  pthread_sigmask(SIG_BLOCK, &pipe_only, &old);
  pthread_kill(pthread_self(), SIGPIPE);
  CHECK(zc::run(number(1)) == 1);
  CHECK(is_blocked(SIGPIPE));
  CHECK(is_pending(SIGPIPE));
  const timespec at_once{};
  CHECK(sigtimedwait(&pipe_only, nullptr, &at_once) == SIGPIPE);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

TEST_CASE("context: every descriptor it opens is close-on-exec") {
  const support::ends from = support::unix_pair(SOCK_NONBLOCK);
  const support::ends to = support::unix_pair(SOCK_NONBLOCK);
  std::vector<int> before;
  for (int fd = 0; fd < 1024; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) before.push_back(fd);
  }
  int opened = 0;
  int inherited = 0;
  const auto look = [&]() -> zc::task<> {
    support::write_all(from.second.get(), "some bytes");
    // Leaves its pipe in the pool.
    const std::uint64_t moved = co_await zc::splice(from.first.get(), to.first.get(),
                                                    {.nbytes = 10, .route = zc::route::ring});
    CHECK(moved == 10);
    std::size_t known = 0;
    for (int fd = 0; fd < 1024; ++fd) {
      const int flags = ::fcntl(fd, F_GETFD);
      if (flags < 0) continue;
      if (known < before.size() && before[known] == fd) {
        ++known;
        continue;
      }
      ++opened;
      if ((flags & FD_CLOEXEC) == 0) ++inherited;
    }
  };
  zc::run(look());
  CHECK(opened >= 4);  // the ring, the wake-up, both ends of the pipe
  CHECK(inherited == 0);
}

TEST_SUITE_END();
