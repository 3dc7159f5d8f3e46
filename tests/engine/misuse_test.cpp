// What the program must not do with tasks, scopes and contexts, and what it is told when it does:
// an exception where one can be thrown, else a sentence on stderr and abort(3), in every kind of
// build.

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <coroutine>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/descriptors.hpp"
#include "support/last_words.hpp"
#include "zc/zc.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;
using support::last_words;

// NOLINTBEGIN(bugprone-use-after-move): that is what is tested

namespace {

struct misuse {
  const char* name;
  std::function<void()> body;
};

zc::task<int> number(int value) {
  co_await zc::yield();
  co_return value;
}

zc::task<> sleep_long() { co_await zc::sleep_for(1h); }

/// Leaves `t` moved from, as whoever awaits what it was moved into.
zc::task<int> moved_from() {
  zc::task<int> t = number(1);
  const zc::task<int> other = std::move(t);
  return t;
}

/// What no awaitable of zc's does: resumes who awaits it on another thread.
struct on_another_thread {
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> self) const {
    std::thread([self] { self.resume(); }).detach();
  }
  void await_resume() const noexcept {}
};

/// The same in a thread of the caller's, between two runs.
struct on_call {
  std::coroutine_handle<>& self;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) const noexcept { self = waiting; }
  void await_resume() const noexcept {}
};

bool throws_logic_error(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::logic_error&) {
    return true;
  }
  return false;
}

}  // namespace

TEST_CASE("task: an empty or moved-from one ends the program with a sentence, however it is used") {
  const std::vector<misuse> all{
      {"await",
       [] {
         const auto work = []() -> zc::task<int> { co_return co_await zc::task<int>(); };
         zc::run(work());
       }},
      {"await, moved from",
       [] {
         const auto work = []() -> zc::task<int> { co_return co_await moved_from(); };
         zc::run(work());
       }},
      {"run", [] { zc::run(zc::task<>()); }},
      {"context::run", [] { zc::context().run(moved_from()); }},
      {"context::spawn", [] { zc::context().spawn(moved_from()); }},
      {"scope::spawn",
       [] {
         const auto work = []() -> zc::task<> {
           zc::scope tasks;
           tasks.spawn(zc::task<>());
           co_await tasks.join();
         };
         zc::run(work());
       }},
      {"when_all", [] { zc::run(zc::when_all(number(1), moved_from())); }},
      {"when_all of a vector", [] { zc::run(zc::when_all(std::vector<zc::task<int>>(2))); }},
      {"when_any", [] { zc::run(zc::when_any(zc::task<>(), number(1))); }},
      {"timeout", [] { zc::run(zc::timeout(1s, zc::task<>())); }},
      {"with_stop", [] { zc::run(zc::with_stop(std::stop_token(), moved_from())); }},
      {"run_on", [] { zc::run_on(1, [](std::size_t) { return zc::task<>(); }); }},
  };
  for (const misuse& each : all) {
    CAPTURE(each.name);
    CHECK(last_words(each.body) == "zc::task: an empty or moved-from task was used\n");
  }
}

TEST_CASE("task: one that has been started ends the program with a sentence, however it is used") {
  using user = std::function<zc::task<>(zc::task<int>)>;
  const std::vector<std::pair<const char*, user>> all{
      {"await", [](zc::task<int> t) -> zc::task<> { co_await std::move(t); }},
      {"scope::spawn",
       [](zc::task<int> t) -> zc::task<> {
         zc::scope tasks;
         tasks.spawn(std::move(t));
         co_await tasks.join();
       }},
      {"when_all",
       [](zc::task<int> t) -> zc::task<> { co_await zc::when_all(number(1), std::move(t)); }},
      {"when_any",
       [](zc::task<int> t) -> zc::task<> { co_await zc::when_any(sleep_long(), std::move(t)); }},
      {"timeout", [](zc::task<int> t) -> zc::task<> { co_await zc::timeout(1h, std::move(t)); }},
      {"run, in another context",
       [](zc::task<int> t) -> zc::task<> {
         zc::run(std::move(t));
         co_return;
       }},
  };
  for (const auto& [name, use] : all) {
    for (const bool finished : {true, false}) {
      CAPTURE(name);
      CAPTURE(finished);
      const auto twice = [&use = use, finished]() -> zc::task<> {
        zc::task<int> t = number(1);
        const auto first = [&t]() -> zc::task<> { co_await std::move(t); };
        zc::scope beside;
        beside.spawn(first());
        if (finished) {
          co_await beside.join();
        } else {
          co_await zc::yield();
        }
        co_await use(std::move(t));
      };
      CHECK(last_words([&] { zc::run(twice()); }) ==
            "zc::task: one that had been started was awaited or started again\n");
    }
  }
}

TEST_CASE(
    "task: resumed on another thread, whatever it does next ends the program with a sentence") {
  using next = std::function<zc::task<>()>;
  const std::vector<std::pair<const char*, next>> all{
      {"ends", []() -> zc::task<> { co_await on_another_thread(); }},
      {"an op",
       []() -> zc::task<> {
         co_await on_another_thread();
         (co_await zc::op::nop()).value();
       }},
      {"a task",
       []() -> zc::task<> {
         co_await on_another_thread();
         co_await number(1);
       }},
      {"yield",
       []() -> zc::task<> {
         co_await on_another_thread();
         co_await zc::yield();
       }},
      {"join",
       []() -> zc::task<> {
         zc::scope tasks;
         tasks.spawn(sleep_long());
         co_await on_another_thread();
         co_await tasks.join();
       }},
      {"next",
       []() -> zc::task<> {
         const support::ends sockets = support::unix_pair();
         zc::recv_stream from(sockets.first.get());
         co_await on_another_thread();
         (co_await from.next()).value();
       }},
  };
  for (const auto& [name, work] : all) {
    CAPTURE(name);
    const std::string words = last_words([&work = work] { zc::run(work()); });
    CHECK(words.starts_with("zc::task: one was resumed outside of its context's run: "));
    CHECK(words.find('\n') == words.size() - 1);
  }
}

TEST_CASE("task: resumed between two runs it ends the program with the same sentence") {
  const std::string words = last_words([] {
    zc::context context;
    std::coroutine_handle<> self;
    const auto waiting = [&]() -> zc::task<> { co_await on_call{self}; };
    context.spawn(waiting());
    context.run(number(1));
    self.resume();
  });
  CHECK(words.starts_with("zc::task: one was resumed outside of its context's run: "));
}

TEST_CASE("scope: destroyed by one of its own tasks it ends the program with a sentence") {
  using holder = std::shared_ptr<zc::scope>;
  using child = std::function<zc::task<>(holder&)>;
  const std::vector<std::pair<const char*, child>> all{
      {"at once",
       [](holder& last) -> zc::task<> {
         last.reset();
         co_return;
       }},
      {"after an op",
       [](holder& last) -> zc::task<> {
         (co_await zc::op::nop()).value();
         last.reset();
       }},
      {"in a task below, after an op",
       [](holder& last) -> zc::task<> {
         const auto below = [](holder& from) -> zc::task<> {
           co_await zc::sleep_for(1ms);
           from.reset();
         };
         co_await below(last);
       }},
      {"after a timeout",
       [](holder& last) -> zc::task<> {
         co_await zc::timeout(1h, number(1));
         last.reset();
       }},
      {"in a timeout",
       [](holder& last) -> zc::task<> {
         const auto below = [](holder& from) -> zc::task<> {
           (co_await zc::op::nop()).value();
           from.reset();
         };
         co_await zc::timeout(1h, below(last));
       }},
      {"by the task of a scope below",
       [](holder& last) -> zc::task<> {
         const auto below = [](holder& from) -> zc::task<> {
           co_await zc::yield();
           from.reset();
         };
         zc::scope inner;
         inner.spawn(below(last));
         co_await inner.join();
       }},
      {"by the task of a scope below that nobody joins",
       [](holder& last) -> zc::task<> {
         const auto below = [](holder& from) -> zc::task<> {
           co_await zc::yield();
           from.reset();
         };
         zc::scope inner;
         inner.spawn(below(last));
         co_await zc::sleep_for(1h);
       }},
  };
  for (const auto& [name, make] : all) {
    CAPTURE(name);
    const auto owner = [&make = make]() -> zc::task<> {
      auto last = std::make_shared<zc::scope>();
      last->spawn(make(last));
      co_await zc::sleep_for(1h);
    };
    CHECK(last_words([&] { zc::run(owner()); }) ==
          "zc::scope: destroyed by one of its own tasks, which it would await for ever\n");
  }
}

TEST_CASE("scope: a task that has ended, and whose frame has the last hold of it, may end it") {
  bool ended = false;
  const auto sibling = [&]() -> zc::task<> {
    try {
      co_await zc::sleep_for(1h);
    } catch (const std::system_error&) {
      ended = true;
    }
  };
  const auto child = [](std::shared_ptr<zc::scope>) -> zc::task<> { co_await zc::yield(); };
  const auto owner = [&]() -> zc::task<> {
    {
      const auto tasks = std::make_shared<zc::scope>();
      tasks->spawn(sibling());
      tasks->spawn(child(tasks));
    }
    for (int i = 0; i < 5; ++i) co_await zc::yield();
    CHECK(ended);
  };
  zc::run(owner());
}

TEST_CASE("scope: one whose tasks have ended may be ended by whoever was one of them or not") {
  const auto owner = []() -> zc::task<> {
    zc::scope outer;
    auto inner = std::make_unique<zc::scope>();
    const auto ending = [&]() -> zc::task<> {
      inner->spawn(sleep_long());
      co_await zc::timeout(1h, number(1));
      inner.reset();  // of another scope's task, in the middle of whatever is awaited
    };
    outer.spawn(ending());
    co_await outer.join();
  };
  zc::run(owner());
}

TEST_CASE("scope: one with tasks that outlives its context ends the program with a sentence") {
  CHECK(last_words([] {
          zc::scope tasks;
          const auto spawning = [&]() -> zc::task<> {
            tasks.spawn(sleep_long());
            co_await zc::yield();
          };
          zc::run(spawning());
        }) == "zc::context: destroyed before a zc::scope whose tasks have not ended\n");
}

TEST_CASE("scope: one without tasks outlives a context, and serves the next") {
  zc::scope tasks;
  int ended = 0;
  const auto child = [&]() -> zc::task<> {
    co_await zc::yield();
    ++ended;
  };
  const auto joining = [&]() -> zc::task<> {
    tasks.spawn(child());
    co_await tasks.join();
  };
  // So many that no two of them are at one address.
  std::vector<std::unique_ptr<zc::context>> contexts;
  for (int i = 1; i <= 3; ++i) {
    contexts.push_back(std::make_unique<zc::context>());
    contexts.back()->run(joining());
    CHECK(ended == i);
  }
  contexts.clear();
  zc::run(joining());
  CHECK(ended == 4);
}

TEST_CASE("scope: its end between two runs awaits its tasks, with SIGPIPE blocked") {
  zc::context context;
  auto tasks = std::make_unique<zc::scope>();
  int ended = 0;
  const auto child = [&]() -> zc::task<> {
    try {
      co_await zc::sleep_for(1h);
    } catch (const std::system_error&) {
    }
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    CHECK(sigismember(&mask, SIGPIPE) == 1);
    const zc::result<void> closed = co_await zc::op::close(-1);  // not to be cancelled
    CHECK_FALSE(closed);
    ++ended;
  };
  const auto spawning = [&]() -> zc::task<> {
    tasks->spawn(child());
    co_await zc::yield();
  };
  context.run(spawning());
  CHECK(ended == 0);
  tasks.reset();
  CHECK(ended == 1);
}

TEST_CASE("scope: ended or cancelled on another thread it ends the program with a sentence") {
  const auto on_a_thread = [](void (*what)(std::unique_ptr<zc::scope>&)) {
    return last_words([what] {
      const auto owner = [what]() -> zc::task<> {
        auto tasks = std::make_unique<zc::scope>();
        tasks->spawn(sleep_long());
        co_await zc::yield();
        std::thread([&] { what(tasks); }).join();
      };
      zc::run(owner());
    });
  };
  CHECK(on_a_thread([](std::unique_ptr<zc::scope>& tasks) { tasks.reset(); }) ==
        "zc::scope: destroyed on another thread than its context's, with tasks that have not "
        "ended\n");
  CHECK(on_a_thread([](std::unique_ptr<zc::scope>& tasks) { tasks->cancel(); }) ==
        "zc::scope::cancel: called on another thread than that of the scope's context\n");
}

TEST_CASE("scope: spawn from another thread, or another context, throws std::logic_error") {
  const auto in_another_context = [](zc::scope& tasks) -> zc::task<> {
    tasks.spawn(sleep_long());
    co_return;
  };
  bool other_thread = false;
  bool other_context = false;
  bool other_thread_with_context = false;
  const auto owner = [&]() -> zc::task<> {
    zc::scope tasks;
    tasks.spawn(sleep_long());
    std::thread([&] {
      other_thread = throws_logic_error([&] { tasks.spawn(sleep_long()); });
      other_thread_with_context = throws_logic_error([&] { zc::run(in_another_context(tasks)); });
    }).join();
    other_context = throws_logic_error([&] { zc::run(in_another_context(tasks)); });
    CHECK(tasks.running() == 1);
    co_return;
  };
  zc::run(owner());
  CHECK(other_thread);
  CHECK(other_thread_with_context);
  CHECK(other_context);
}

TEST_CASE("scope: a second coroutine that joins throws std::logic_error, the first goes on") {
  int caught = 0;
  const auto joining = [&](zc::scope& tasks) -> zc::task<> {
    try {
      co_await tasks.join();
    } catch (const std::logic_error&) {
      ++caught;
    }
  };
  const auto owner = [&]() -> zc::task<> {
    zc::scope tasks;
    tasks.spawn(zc::sleep_for(2ms));
    co_await zc::when_all(joining(tasks), joining(tasks));
    CHECK(tasks.running() == 0);
  };
  zc::run(owner());
  CHECK(caught == 1);
}

TEST_CASE("context: destroyed in its own run it ends the program with a sentence") {
  const std::string sentence = "zc::context: destroyed while it runs\n";
  CHECK(last_words([] {
          auto context = std::make_unique<zc::context>();
          const auto ending = [&]() -> zc::task<> {
            context.reset();
            co_return;
          };
          context->run(ending());
        }) == sentence);
  CHECK(last_words([] {
          auto context = std::make_unique<zc::context>();
          const auto ending = [&]() -> zc::task<> {
            co_await zc::yield();
            context.reset();
          };
          const auto indirectly = [&]() -> zc::task<> {
            zc::run(ending());
            co_return;
          };
          context->run(indirectly());
        }) == sentence);
  CHECK(last_words([] {
          auto context = std::make_unique<zc::context>();
          const auto ending = [&]() -> zc::task<> {
            std::thread([&] { context.reset(); }).join();
            co_return;
          };
          context->run(ending());
        }) == sentence);
}

TEST_CASE("context: ended on another thread, with spawned tasks, it says why it ends the program") {
  CHECK(last_words([] {
          auto context = std::make_unique<zc::context>();
          context->spawn(sleep_long());
          context->run(number(1));
          std::thread([&] { context.reset(); }).join();
        }) ==
        "zc::context: destroyed on another thread than ran it, with tasks that have not ended\n");
}

TEST_CASE("context: spawn on another thread throws std::logic_error, in a run and between two") {
  zc::context context;
  bool in_run = false;
  bool counters_in_run = false;
  const auto spawning = [&]() -> zc::task<> {
    std::thread([&] {
      in_run = throws_logic_error([&] { context.spawn(sleep_long()); });
      counters_in_run = throws_logic_error([&] { static_cast<void>(context.counters()); });
    }).join();
    co_return;
  };
  context.run(spawning());
  CHECK(in_run);
  CHECK(counters_in_run);
  bool between = false;
  bool counters_between = true;
  std::thread([&] {
    between = throws_logic_error([&] { context.spawn(sleep_long()); });
    counters_between = throws_logic_error([&] { static_cast<void>(context.counters()); });
  }).join();
  CHECK(between);
  CHECK_FALSE(counters_between);
}

TEST_CASE("context: spawned to before it ever ran, by the thread that made it") {
  zc::context context;
  int value = 0;
  const auto background = [&]() -> zc::task<> { value = co_await number(7); };
  context.spawn(background());
  std::thread([&] {
    context.run(number(1));
    context.run(zc::sleep_for(1ms));
  }).join();
  CHECK(value == 7);
}

TEST_CASE("run_on: inside of a task it throws std::logic_error") {
  bool refused = false;
  const auto work = [&]() -> zc::task<> {
    refused = throws_logic_error([] { zc::run_on(1, [](std::size_t) { return sleep_long(); }); });
    co_return;
  };
  zc::run(work());
  CHECK(refused);
}

TEST_CASE("streams: what needs their context, without it or beside another, ends the program") {
  const auto next_of = [](zc::recv_stream& from) -> zc::task<> {
    const zc::result<zc::received> one = co_await from.next();
    static_cast<void>(one);
  };
  CHECK(last_words([&] {
          const support::ends sockets = support::unix_pair();
          zc::recv_stream from(sockets.first.get());
          zc::run(zc::when_all(next_of(from), next_of(from)));
        }) == "zc: a second coroutine waits in next() of an acceptor or recv_stream\n");
  CHECK(last_words([] {
          std::uint16_t port = 0;
          const zc::fd listener = support::tcp_listener(port);
          zc::acceptor connections(listener.get());
          const auto waiting = [&]() -> zc::task<> {
            const zc::result<zc::fd> one = co_await connections.next();
            static_cast<void>(one);
          };
          try {
            zc::run(zc::timeout(2ms, waiting()));
          } catch (const std::system_error&) {
          }
        }) == "zc::context: destroyed before an acceptor or recv_stream that it fills\n");
  CHECK(last_words([] {
          std::uint16_t port = 0;
          const zc::fd listener = support::tcp_listener(port);
          auto connections = std::make_unique<zc::acceptor>(listener.get());
          const auto waiting = [&]() -> zc::task<> {
            const zc::result<zc::fd> one = co_await connections->next();
            static_cast<void>(one);
          };
          zc::context context;
          context.spawn(waiting());
          context.run(zc::sleep_for(2ms));
          std::thread([&] { connections.reset(); }).join();
        }) == "zc: an acceptor or recv_stream destroyed on another thread than its context's\n");
  CHECK(last_words([&] {
          const support::ends sockets = support::unix_pair();
          support::write_all(sockets.second.get(), "bytes");
          zc::recv_stream from(sockets.first.get());
          std::optional<zc::received> kept;
          const auto receiving = [&]() -> zc::task<> { kept = (co_await from.next()).value(); };
          zc::context context;
          context.run(receiving());
          std::thread([&] { kept.reset(); }).join();
        }) == "zc::received: destroyed on another thread than its context's\n");
}

TEST_CASE("recv_stream: idle, it may go on in another context") {
  const support::ends sockets = support::unix_pair();
  zc::recv_stream from(sockets.first.get());
  std::string got;
  const auto receiving = [&]() -> zc::task<> {
    const zc::result<zc::received> one = co_await from.next();
    for (const std::byte each : one.value().bytes()) got += static_cast<char>(each);
  };
  for (const char* const some : {"a", "b", "c"}) {
    support::write_all(sockets.second.get(), some);
    zc::run(receiving());
  }
  CHECK(got == "abc");
}

TEST_CASE("signals: destroyed on another thread than made them they end the program") {
  CHECK(last_words([] {
          auto these = std::make_unique<zc::signals>(std::initializer_list<int>{SIGUSR1});
          std::thread([&] { these.reset(); }).join();
        }) == "zc::signals: destroyed on another thread than made it\n");
}

// NOLINTEND(bugprone-use-after-move)

TEST_SUITE_END();
