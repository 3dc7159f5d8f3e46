#include "zc/lingering_close.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "zc/context.hpp"
#include "zc/listen.hpp"
#include "zc/scope.hpp"
#include "zc/splice.hpp"
#include "zc/timeout.hpp"

TEST_SUITE_BEGIN("kernel");

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;
using support::ends;

namespace {

constexpr zc::lingering_close_options patient{.idle_timeout = 60s, .total_timeout = 60s};

/// A TCP connection whose second end reads through a small window: what it is sent takes a while.
ends narrow_pair() {
  const zc::fd listener = zc::listen(zc::address::parse("127.0.0.1:0"));
  const zc::address where = zc::local_address(listener.get());
  ends made;
  made.second = zc::fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int bytes = 8192;
  ::setsockopt(made.second.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  REQUIRE(::connect(made.second.get(), where.data(), where.size()) == 0);
  made.first = zc::fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  REQUIRE(made.first);
  return made;
}

/// How reading ends: 0 in good order, or errno.
int end_of(int socket) {
  std::vector<char> memory(65536);
  for (;;) {
    const ssize_t got = ::recv(socket, memory.data(), memory.size(), 0);
    if (got <= 0) return got == 0 ? 0 : errno;
  }
}

steady::duration time_of(zc::task<> work) {
  const steady::time_point begun = steady::now();
  zc::run(zc::timeout(20s * support::slowdown(), std::move(work)));
  return steady::now() - begun;
}

bool is_at_end(int socket) {
  pollfd one{socket, POLLIN, 0};
  char byte = 0;
  return ::poll(&one, 1, 5000) == 1 && ::recv(socket, &byte, 1, 0) == 0;
}

}  // namespace

TEST_CASE("lingering_close: what was sent arrives whole, whatever the peer sends meanwhile") {
  constexpr std::size_t size = 8 * 1024 * 1024;
  const zc::fd file = support::file_of(size);
  ends made = narrow_pair();
  std::string received;
  std::jthread client([&] {
    support::write_all(made.second.get(), "GET / HTTP/1.0\r\n\r\n");
    std::vector<char> memory(16384);
    for (;;) {
      const ssize_t got = ::recv(made.second.get(), memory.data(), memory.size(), 0);
      if (got <= 0) break;
      received.append(memory.data(), static_cast<std::size_t>(got));
      // Does not mind that the other end reads no more.
      ::send(made.second.get(), "\r\n", 2, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    made.second = {};
  });
  const auto serve = [&]() -> zc::task<> {
    co_await zc::splice(file.get(), made.first.get());
    co_await zc::lingering_close(std::move(made.first), patient);
  };
  time_of(serve());
  client.join();
  CHECK(received.size() == size);
  CHECK(support::are_bytes_at(received, 0));
}

TEST_CASE("lingering_close: a peer that has said its end is closed without waiting") {
  for (const bool unread : {false, true}) {
    CAPTURE(unread);
    ends made = support::tcp_pair();
    if (unread) support::write_all(made.second.get(), "left");
    ::shutdown(made.second.get(), SHUT_WR);
    support::write_all(made.first.get(), "answer");
    CHECK(time_of(zc::lingering_close(std::move(made.first), patient)) < 10s);
    CHECK(support::read_all(made.second.get()) == "answer");
  }
}

TEST_CASE("lingering_close: where nothing needs draining it does not suspend") {
  ends made = support::tcp_pair();
  ::shutdown(made.second.get(), SHUT_WR);
  pollfd ended{made.first.get(), POLLRDHUP, 0};
  REQUIRE(::poll(&ended, 1, 5000) == 1);
  bool others_ran = false;
  const auto other = [&]() -> zc::task<> {
    others_ran = true;
    co_return;
  };
  const auto body = [&]() -> zc::task<> {
    zc::scope beside;
    beside.spawn(other());
    co_await zc::lingering_close(std::move(made.first), patient);
    CHECK_FALSE(others_ran);
    co_await beside.join();
  };
  zc::run(body());
}

TEST_CASE("lingering_close: a silent peer is closed after the idle timeout, in good order") {
  for (const bool nonblocking : {false, true}) {
    CAPTURE(nonblocking);
    ends made = support::tcp_pair(nonblocking ? SOCK_NONBLOCK : 0);
    support::set_nonblocking(made.second.get(), false);
    support::write_all(made.second.get(), "unread");
    const auto took = time_of(zc::lingering_close(std::move(made.first), {.idle_timeout = 50ms}));
    CHECK(took >= 50ms);
    CHECK(took < 20s);
    CHECK(end_of(made.second.get()) == 0);
  }
}

TEST_CASE("lingering_close: a peer that goes on and on is closed after the total timeout") {
  ends made = support::tcp_pair();
  std::jthread client([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (::send(made.second.get(), "x", 1, MSG_NOSIGNAL) < 0) return;
      std::this_thread::sleep_for(2ms);
    }
  });
  const auto took = time_of(
      zc::lingering_close(std::move(made.first), {.idle_timeout = 60s, .total_timeout = 100ms}));
  CHECK(took >= 100ms);
  CHECK(took < 20s);
}

TEST_CASE("lingering_close: no more is dropped than the limit, and a piece") {
  ends made = support::tcp_pair();
  std::atomic<std::size_t> sent = 0;
  std::jthread client([&] {
    const std::string piece(16384, 'x');
    for (;;) {
      const ssize_t now = ::send(made.second.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
      if (now < 0) return;
      sent += static_cast<std::size_t>(now);
    }
  });
  constexpr std::uint64_t limit = 1024 * 1024;
  time_of(zc::lingering_close(std::move(made.first),
                              {.idle_timeout = 60s, .total_timeout = 60s, .limit_bytes = limit}));
  client.join();
  CHECK(sent >= limit);
}

TEST_CASE("lingering_close: a reader that is slow and silent is waited for") {
  ends made = narrow_pair();
  support::write_all(made.first.get(), support::bytes_at(0, 300'000));
  std::string received;
  std::jthread client([&] {
    std::vector<char> memory(8192);
    for (;;) {
      std::this_thread::sleep_for(5ms);
      const ssize_t got = ::recv(made.second.get(), memory.data(), memory.size(), 0);
      if (got <= 0) break;
      received.append(memory.data(), static_cast<std::size_t>(got));
      // By now, several idle timeouts have gone by.
      if (received.size() > 200'000) ::send(made.second.get(), "x", 1, MSG_NOSIGNAL);
    }
    made.second = {};
  });
  time_of(zc::lingering_close(std::move(made.first),
                              {.idle_timeout = 50ms * support::slowdown(), .total_timeout = 60s}));
  client.join();
  CHECK(received.size() == 300'000);
}

TEST_CASE("lingering_close: a dead peer, and what is no socket, are closed at once") {
  ends made = support::tcp_pair();
  support::reset_on_close(made.second.get());
  made.second = {};
  const int raw = made.first.get();
  CHECK(time_of(zc::lingering_close(std::move(made.first), patient)) < 10s);
  CHECK(::fcntl(raw, F_GETFD) < 0);
  ends pipe = support::make_pipe();
  CHECK(time_of(zc::lingering_close(std::move(pipe.second), patient)) < 10s);
  CHECK(support::read_all(pipe.first.get()).empty());
  CHECK(time_of(zc::lingering_close(zc::fd(), patient)) < 10s);
}

TEST_CASE("lingering_close: serves AF_UNIX sockets, in either mode") {
  for (const int type : {SOCK_STREAM + 0, SOCK_SEQPACKET + 0, SOCK_STREAM | SOCK_NONBLOCK}) {
    CAPTURE(type);
    int raw[2];
    REQUIRE(::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, raw) == 0);
    zc::fd near(raw[0]);
    zc::fd far(raw[1]);
    support::set_nonblocking(far.get(), false);
    support::write_all(near.get(), "answer");
    support::write_all(far.get(), "unread");
    std::jthread client([&] {
      CHECK(support::read_all(far.get()) == "answer");
      support::write_all(far.get(), "more");
      far = {};
    });
    CHECK(time_of(zc::lingering_close(std::move(near), patient)) < 10s);
  }
}

TEST_CASE("lingering_close: cancelled, it closes at once and resumes") {
  ends made = support::tcp_pair();
  bool resumed = false;
  const auto body = [&]() -> zc::task<> {
    co_await zc::lingering_close(std::move(made.first), patient);
    resumed = true;
    CHECK(is_at_end(made.second.get()));
  };
  CHECK_THROWS_AS(zc::run(zc::timeout(20ms, body())), const std::system_error&);
  CHECK(resumed);
}

TEST_CASE("lingering_close: a task that is never awaited closes") {
  ends made = support::tcp_pair();
  { const zc::task<> dropped = zc::lingering_close(std::move(made.first), patient); }
  CHECK(is_at_end(made.second.get()));
}

TEST_CASE("lingering_close: a message in the error queue costs no spinning") {
  ends made = support::tcp_pair();
  support::leave_in_error_queue(made.first.get(), made.second.get());
  const auto before = support::cpu_time();
  time_of(zc::lingering_close(std::move(made.first), {.idle_timeout = 400ms}));
  CHECK(support::cpu_time() - before < 200ms);
}
