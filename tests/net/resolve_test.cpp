#include "zc/resolve.hpp"

#include <doctest/doctest.h>
#include <netdb.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "support/name_server.hpp"
#include "support/process.hpp"
#include "zc/context.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;
using zc::address;
using zc::host_port;

namespace {

std::vector<address> addresses(std::initializer_list<const char*> texts) {
  std::vector<address> all;
  for (const char* each : texts) all.push_back(address::parse(each));
  return all;
}

struct failure {
  std::error_code code;
  std::string text;
};

template <class T>
failure failure_of(zc::task<T> work) {
  try {
    zc::run(std::move(work));
  } catch (const std::system_error& error) {
    return {error.code(), error.what()};
  }
  return {};
}

/// Runs `body(server)` in a child whose names are served by support::name_server; 0 is good.
void with_name_server(const std::function<int(support::name_server&)>& body) {
  const auto in_own_network = [&] {
    if (!support::leave_for_own_network()) return 77;
    support::name_server server;
    return body(server);
  };
  const int status = support::in_child(in_own_network);
  if (support::exited_with(status, 77)) {
    MESSAGE("not shown: only root has a network of its own");
    return;
  }
  CHECK(support::exited_with(status, 0));
}

zc::task<std::vector<address>> look_up(const char* name) {
  return zc::resolve(host_port::parse(name));
}

}  // namespace

TEST_CASE("resolve: a number is its address, and needs no thread") {
  const std::size_t threads = support::user_threads();
  const auto body = [&](const char* text) -> zc::task<std::vector<address>> {
    std::vector<address> found = co_await look_up(text);
    CHECK(support::user_threads() == threads);
    co_return found;
  };
  CHECK(zc::run(body("192.0.2.9:80")) == addresses({"192.0.2.9:80"}));
  CHECK(zc::run(body("[2001:db8::1]:443")) == addresses({"[2001:db8::1]:443"}));
}

TEST_CASE("resolve: no host is every interface for who listens, and this machine for the rest") {
  const auto one = [](zc::resolve_options options) {
    return zc::run(zc::resolve(host_port("", 80), options));
  };
  CHECK(one({.passive = true}) == addresses({"[::]:80", "0.0.0.0:80"}));
  CHECK(one({.passive = true, .family = AF_INET}) == addresses({"0.0.0.0:80"}));
  CHECK(one({.passive = true, .family = AF_INET6}) == addresses({"[::]:80"}));
  CHECK(one({.family = AF_INET}) == addresses({"127.0.0.1:80"}));
  CHECK(one({.family = AF_INET6}) == addresses({"[::1]:80"}));
}

TEST_CASE("resolve: what is no name, or of the wrong family, says so with the name") {
  const failure zero = failure_of(zc::resolve(host_port(std::string("127.0.0.1\0", 10), 80)));
  CHECK(zero.code == std::error_code(EAI_NONAME, zc::resolve_category()));
  const failure other = failure_of(zc::resolve(host_port("127.0.0.1", 80), {.family = AF_INET6}));
  CHECK(other.code == std::error_code(EAI_ADDRFAMILY, zc::resolve_category()));
  CHECK(other.text.find("zc::resolve: 127.0.0.1:80") == 0);
  CHECK(other.code.message() == ::gai_strerror(EAI_ADDRFAMILY));
  CHECK(std::string(other.code.category().name()) == "getaddrinfo");
}

TEST_CASE("resolve: without an exception it resumes with the addresses, or with the error") {
  CHECK(zc::run(zc::try_resolve(host_port("127.0.0.1", 80))).value().size() == 1);
  const auto none = zc::run(zc::try_resolve(host_port(std::string("127.0.0.1\0", 10), 80)));
  CHECK(none.error() == std::error_code(EAI_NONAME, zc::resolve_category()));
}

TEST_CASE("resolve: a name has the addresses that its server gives, or none") {
  with_name_server([](support::name_server&) {
    if (zc::run(look_up("one.test:80")) != addresses({"192.0.2.1:80"})) return 1;
    std::vector<address> two = zc::run(look_up("two.test:81"));
    std::sort(two.begin(), two.end(), [](const address& one, const address& other) {
      return zc::to_string(one) < zc::to_string(other);
    });
    if (two != addresses({"192.0.2.2:81", "192.0.2.3:81"})) return 2;
    const failure none = failure_of(look_up("three.test:80"));
    if (none.code != std::error_code(EAI_NONAME, zc::resolve_category())) return 3;
    return none.text.find("three.test:80") != std::string::npos ? 0 : 4;
  });
}

TEST_CASE("resolve: a silent name server delays nobody else, and a deadline ends the wait") {
  with_name_server([](support::name_server& server) {
    const auto body = [&]() -> zc::task<int> {
      zc::scope all;
      const auto wait = [](int& ended) -> zc::task<> {
        try {
          co_await zc::timeout(200ms, look_up("silent.test:80"));
        } catch (const std::system_error& late) {
          ended = late.code() == std::errc::timed_out ? 1 : 2;
        }
      };
      int ended = 0;
      all.spawn(wait(ended));
      while (server.unanswered() == 0) co_await zc::sleep_for(1ms);
      // With one thread that waits, the other one answers.
      if ((co_await look_up("one.test:80")).size() != 1) co_return 2;
      co_await all.join();
      co_return ended == 1 ? 0 : 3;
    };
    const steady::time_point begun = steady::now();
    const int code = zc::run(body());
    // The context has gone; the thread that still asks has not kept it: 30 s is its patience.
    return steady::now() - begun < 20s ? code : 4;
  });
}

TEST_CASE("resolve: more names than threads wait their turn, and can be cancelled there") {
  with_name_server([](support::name_server& server) {
    const auto body = [&]() -> zc::task<int> {
      zc::scope all;
      const auto wait = [](std::string name, int& cancelled) -> zc::task<> {
        try {
          co_await zc::resolve(host_port(std::move(name), 80));
        } catch (const std::system_error& error) {
          if (error.code() == std::errc::operation_canceled) ++cancelled;
        }
      };
      const std::size_t threads = support::user_threads();
      int cancelled = 0;
      for (int i = 0; i < 20; ++i) all.spawn(wait(std::to_string(i) + ".silent.test", cancelled));
      while (server.unanswered() < 2) co_await zc::sleep_for(1ms);
      co_await zc::sleep_for(20ms);
      if (server.unanswered() != 2 || support::user_threads() != threads + 2) co_return 1;
      all.cancel();
      co_await all.join();
      co_return cancelled == 20 ? 0 : 2;
    };
    return zc::run(body());
  });
}

TEST_CASE("resolve: a coroutine that goes while its name is looked up leaves nothing behind") {
  with_name_server([](support::name_server& server) {
    {
      zc::context context;
      context.spawn([]() -> zc::task<> { co_await look_up("silent.test:80"); }());
      const auto until_asked = [&]() -> zc::task<> {
        while (server.unanswered() == 0) co_await zc::sleep_for(1ms);
      };
      context.run(until_asked());
    }
    return 0;
  });
}

TEST_CASE("resolve: where no thread is to be had it is EAGAIN") {
  const auto body = [] {
    if (!support::become_nobody()) return 77;
    zc::context context;
    const support::limit none(RLIMIT_NPROC, 0);
    try {
      context.run(look_up("localhost:80"));
    } catch (const std::system_error& error) {
      return error.code() == std::errc::resource_unavailable_try_again ? 0 : 1;
    }
    return 2;
  };
  const int status = support::in_child(body);
  if (!support::exited_with(status, 77)) CHECK(support::exited_with(status, 0));
}

TEST_SUITE_END();
