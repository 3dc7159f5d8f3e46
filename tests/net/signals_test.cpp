#include "zc/signals.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <system_error>
#include <thread>

#include "support/process.hpp"
#include "zc/context.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/when_all.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;

namespace {

bool is_blocked(int signal) {
  sigset_t now;
  pthread_sigmask(SIG_BLOCK, nullptr, &now);
  return sigismember(&now, signal) == 1;
}

zc::task<> send_later(int signal) {
  co_await zc::sleep_for(10ms);
  ::kill(::getpid(), signal);
}

}  // namespace

TEST_CASE("signals: what comes resumes who waits, one after the other, and does not act") {
  zc::signals these{SIGUSR1, SIGTERM};
  CHECK(is_blocked(SIGTERM));
  ::kill(::getpid(), SIGTERM);  // before anybody waits
  CHECK(zc::run(zc::timeout(20s, these.next())) == SIGTERM);
  const auto both = zc::run(zc::when_all(zc::timeout(20s, these.next()), send_later(SIGUSR1)));
  CHECK(std::get<0>(both) == SIGUSR1);
  // In another context, and with nothing left of the first ones.
  try {
    zc::run(zc::timeout(20ms, these.next()));
    FAIL("a signal that nobody sent");
  } catch (const std::system_error& late) {
    CHECK(late.code() == std::errc::timed_out);
  }
}

TEST_CASE("signals: afterwards the mask is as before") {
  CHECK_FALSE(is_blocked(SIGUSR2));
  {
    const zc::signals these{SIGUSR2};
    CHECK(is_blocked(SIGUSR2));
    const zc::signals twice{SIGUSR2, SIGHUP};
  }
  CHECK_FALSE(is_blocked(SIGUSR2));
  CHECK_FALSE(is_blocked(SIGHUP));
}

TEST_CASE("signals: one that was not taken acts afterwards") {
  const auto body = [] {
    ::signal(SIGTERM, SIG_DFL);  // doctest has a handler of its own
    const zc::signals these{SIGTERM};
    ::kill(::getpid(), SIGTERM);
    return 0;
  };
  const int status = support::in_child(body);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGTERM);
}

TEST_CASE("signals: threads started afterwards leave them to who waits") {
  const auto body = [] {
    zc::signals these{SIGTERM};
    std::jthread other([](std::stop_token stop) {
      while (!stop.stop_requested()) std::this_thread::sleep_for(1ms);
    });
    const auto got = zc::run(zc::when_all(zc::timeout(20s, these.next()), send_later(SIGTERM)));
    return std::get<0>(got) == SIGTERM ? 0 : 1;
  };
  CHECK(support::exited_with(support::in_child(body), 0));
}

TEST_CASE("signals: what is no signal, and no descriptor for it, is an error") {
  CHECK_THROWS_AS(zc::signals({SIGTERM, 65}), std::system_error);
  const support::limit none(RLIMIT_NOFILE, 3);
  CHECK_THROWS_AS(zc::signals({SIGUSR2}), std::system_error);
  CHECK_FALSE(is_blocked(SIGUSR2));
}

TEST_SUITE_END();
