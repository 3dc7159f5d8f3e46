// pthread_cancel(3) of a thread that runs a context, or lets go of what is zc's.

#include <doctest/doctest.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "zc/zc.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

namespace {

struct thread_body {
  std::function<void()> work;
  std::atomic<bool> came_back{false};
};

void* run_body(void* given) {
  auto& body = *static_cast<thread_body*>(given);
  body.work();
  body.came_back = true;
  pthread_testcancel();
  return nullptr;
}

/// Runs `work` in a thread of a forked child; `meanwhile` is given that thread. True where the work
/// went on to its end and the thread was cancelled only then, by unwinding.
bool is_whole(const std::function<void()>& work,
              const std::function<void(pthread_t)>& meanwhile = {}) {
  const int status = support::in_child([&] {
    thread_body body{work};
    pthread_t thread;
    pthread_create(&thread, nullptr, run_body, &body);
    if (meanwhile) meanwhile(thread);
    void* value = nullptr;
    pthread_join(thread, &value);
    return body.came_back && value == PTHREAD_CANCELED ? 0 : 1;
  });
  return support::exited_with(status, 0);
}

/// From now on whatever may act on a pthread_cancel(3) does.
void cancel_this_thread() { pthread_cancel(pthread_self()); }

}  // namespace

TEST_CASE("pthread_cancel: a run goes on to its end, then the thread is cancelled") {
  const support::ends sockets = support::unix_pair(SOCK_NONBLOCK);
  const zc::fd in = support::file_of(100'000);
  std::atomic<bool> begun{false};
  std::atomic<bool> cancelled{false};
  const auto work = [&] {
    zc::context context;
    const auto moving = [&]() -> zc::task<> {
      begun = true;
      // System calls on this thread, waits of the loop, wake-ups by another thread.
      while (!cancelled) co_await zc::sleep_for(1ms);
      for (int i = 0; i < 10; ++i) {
        const zc::fd out = support::empty_file();
        const std::uint64_t moved = co_await zc::splice(in.get(), out.get());
        if (moved != 100'000) std::abort();
        co_await zc::resolve(zc::host_port("localhost", 1));
      }
      throw std::runtime_error("unwinds to the caller of run()");
    };
    try {
      context.run(moving());
    } catch (const std::runtime_error&) {
    }
  };
  CHECK(is_whole(work, [&](pthread_t thread) {
    while (!begun) std::this_thread::yield();
    pthread_cancel(thread);
    cancelled = true;
  }));
}

TEST_CASE("pthread_cancel: what destroys or tells a context, and closes a descriptor, is whole") {
  // All of this is noexcept, or in a destructor: there nothing may be unwound.
  CHECK(is_whole([] {
    const zc::fd one = support::empty_file();
    cancel_this_thread();
  }));
  CHECK(is_whole([] {
    zc::context context;
    cancel_this_thread();
    context.stop();
  }));
  CHECK(is_whole([] {
    int ended = 0;
    const auto background = [&]() -> zc::task<> {
      try {
        co_await zc::sleep_for(1h);
      } catch (const std::system_error&) {
        ++ended;
      }
    };
    {
      zc::context context;
      context.spawn(background());
      context.run(zc::sleep_for(1ms));
      cancel_this_thread();
    }
    if (ended != 1) std::abort();
  }));
}

TEST_CASE("pthread_cancel: run_on joins its threads") {
  std::atomic<int> ended{0};
  CHECK(is_whole([&] {
    const auto work = [&](std::size_t index) -> zc::task<> {
      if (index == 0) cancel_this_thread();
      co_await zc::sleep_for(index == 0 ? 1ms : 20ms);
      ++ended;
    };
    zc::run_on(2, work);
    if (ended != 2) std::abort();
  }));
}

TEST_SUITE_END();
