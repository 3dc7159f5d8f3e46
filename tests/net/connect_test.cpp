#include "zc/connect.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <chrono>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "zc/context.hpp"
#include "zc/listen.hpp"
#include "zc/timeout.hpp"
#include "zc/with_stop.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;
using zc::address;

namespace {

struct failure {
  std::error_code code;
  std::string text;
};

failure failure_of(zc::task<zc::fd> work) {
  try {
    zc::run(std::move(work));
  } catch (const std::system_error& error) {
    return {error.code(), error.what()};
  }
  return {};
}

/// Where nobody listens: a port that was free a moment ago.
address refusing() { return zc::local_address(zc::listen(address::parse("127.0.0.1:0")).get()); }

/// A listener whose queue is full: who connects to it waits for an answer.
class silent {
 public:
  silent() : listener_(zc::listen(address::parse("127.0.0.1:0"), {.backlog = 0})) {
    for (int i = 0; i < 4; ++i) {
      zc::fd each(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      ::connect(each.get(), where().data(), where().size());
      filling_.push_back(std::move(each));
    }
  }
  address where() const { return zc::local_address(listener_.get()); }

 private:
  zc::fd listener_;
  std::vector<zc::fd> filling_;
};

}  // namespace

TEST_CASE("connect: gives a connected socket, non-blocking and close-on-exec") {
  for (const char* const host : {"127.0.0.1:0", "[::1]:0"}) {
    CAPTURE(host);
    const zc::fd listener = zc::listen(address::parse(host));
    const address where = zc::local_address(listener.get());
    const zc::fd client = zc::run(zc::connect(where));
    CHECK(zc::peer_address(client.get()) == where);
    CHECK((::fcntl(client.get(), F_GETFL) & O_NONBLOCK) != 0);
    CHECK((::fcntl(client.get(), F_GETFD) & FD_CLOEXEC) != 0);
    const zc::fd accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    support::write_all(client.get(), "hello");
    CHECK(support::read_some(accepted.get(), 5) == "hello");
  }
}

TEST_CASE("connect: where nobody listens it is ECONNREFUSED, and the text names the address") {
  const address where = refusing();
  const failure refused = failure_of(zc::connect(where));
  CHECK(refused.code == std::errc::connection_refused);
  CHECK(refused.text == "zc::connect: " + zc::to_string(where) + ": Connection refused");
}

TEST_CASE("connect: without an exception it resumes with the socket, or with the error") {
  const zc::fd listener = zc::listen(address::parse("127.0.0.1:0"));
  const address here = zc::local_address(listener.get());
  CHECK(zc::run(zc::try_connect(here)).has_value());
  CHECK(zc::run(zc::try_connect(std::vector{here})).has_value());
  const address nobody = refusing();
  CHECK(zc::run(zc::try_connect(nobody)).error() == std::errc::connection_refused);
  CHECK(zc::run(zc::try_connect(std::vector{nobody})).error() == std::errc::connection_refused);
  CHECK_THROWS_AS(static_cast<void>(zc::run(zc::try_connect(std::vector<address>()))),
                  std::invalid_argument);
}

TEST_CASE("connect: without a way there it is ENETUNREACH") {
  const auto body = [] {
    // A network of one's own has no interface that is up.
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 && ::unshare(CLONE_NEWNET) < 0) return 0;
    const failure unreachable = failure_of(zc::connect(address::parse("127.0.0.1:80")));
    return unreachable.code == std::errc::network_unreachable ? 0 : 1;
  };
  CHECK(support::exited_with(support::in_child(body), 0));
}

TEST_CASE("connect: of several addresses the first that answers is taken") {
  const zc::fd first = zc::listen(address::parse("127.0.0.1:0"));
  const zc::fd second = zc::listen(address::parse("127.0.0.1:0"));
  const address one = zc::local_address(first.get());
  const address other = zc::local_address(second.get());
  const auto reached = [](std::vector<address> candidates) {
    return zc::peer_address(zc::run(zc::connect(std::move(candidates))).get());
  };
  CHECK(reached({one, other}) == one);
  CHECK(reached({refusing(), other, one}) == other);
  CHECK(reached({address(), one}) == one);  // no such family
  CHECK(reached({one}) == one);
}

TEST_CASE("connect: where none of several answers, the last one's error is thrown") {
  const address first = refusing();
  const address last = refusing();
  const std::vector<address> candidates{address(), first, last};
  const failure refused = failure_of(zc::connect(candidates));
  CHECK(refused.code == std::errc::connection_refused);
  CHECK(refused.text.find(zc::to_string(last)) != std::string::npos);
  CHECK_THROWS_AS(zc::run(zc::connect(std::vector<address>())), std::invalid_argument);
}

TEST_CASE("connect: a deadline ends it where nobody answers, and nothing stays open") {
  const silent listener;
  const std::size_t open = support::open_descriptors();
  const auto begun = std::chrono::steady_clock::now();
  CHECK(failure_of(zc::timeout(30ms, zc::connect(listener.where()))).code == std::errc::timed_out);
  CHECK(std::chrono::steady_clock::now() - begun < 20s);  // the kernel would try for minutes
  CHECK(support::open_descriptors() == open);
}

TEST_CASE("connect: cancelled, it does not go on to the next address") {
  const silent silent_one;
  const zc::fd answering = zc::listen(address::parse("127.0.0.1:0"));
  std::vector<address> candidates{silent_one.where(), zc::local_address(answering.get())};
  std::stop_source stop;
  const std::jthread later([&stop] {
    std::this_thread::sleep_for(20ms);
    stop.request_stop();
  });
  const failure cancelled =
      failure_of(zc::with_stop(stop.get_token(), zc::connect(std::move(candidates))));
  CHECK(cancelled.code == std::errc::operation_canceled);
  CHECK(cancelled.text.find(zc::to_string(silent_one.where())) != std::string::npos);
  support::set_nonblocking(answering.get(), true);
  CHECK(::accept4(answering.get(), nullptr, nullptr, SOCK_CLOEXEC) < 0);
}

TEST_CASE("connect: without descriptors left it is EMFILE") {
  const zc::fd listener = zc::listen(address::parse("127.0.0.1:0"));
  const address where = zc::local_address(listener.get());
  zc::context context;
  std::error_code end;
  const auto work = [&]() -> zc::task<> {
    const support::limit few(RLIMIT_NOFILE, 3);
    try {
      co_await zc::connect(where);
    } catch (const std::system_error& error) {
      end = error.code();
    }
  };
  context.run(work());
  CHECK(end == std::errc::too_many_files_open);
}

TEST_SUITE_END();
