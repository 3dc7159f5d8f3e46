#include "zc/acceptor.hpp"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "support/scripted_kernel.hpp"
#include "zc/context.hpp"
#include "zc/scope.hpp"
#include "zc/sleep.hpp"
#include "zc/timeout.hpp"
#include "zc/when_any.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using namespace std::chrono_literals;
using support::fault;
using kind = support::fault::kind;

/// Somebody to connect to.
class door {
 public:
  explicit door(bool nonblocking = false) : listener(support::tcp_listener(port_)) {
    support::set_nonblocking(listener.get(), nonblocking);
  }

  /// A client, connected; its own port says which.
  zc::fd knock() const {
    zc::fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port_);
    REQUIRE(::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    return client;
  }
  std::vector<zc::fd> knock(std::size_t times) const {
    std::vector<zc::fd> clients;
    for (std::size_t i = 0; i < times; ++i) clients.push_back(knock());
    return clients;
  }

  /// How many wait in the listener's own queue. Takes them out.
  std::size_t left_outside() const {
    support::set_nonblocking(listener.get(), true);
    std::size_t count = 0;
    while (const zc::fd one{::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)}) ++count;
    return count;
  }

 private:
  std::uint16_t port_ = 0;

 public:
  zc::fd listener;
};

/// The port of a client, or of an accepted connection's peer.
std::uint16_t port(int socket, bool peers) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  REQUIRE((peers ? ::getpeername(socket, generic, &size) : ::getsockname(socket, generic, &size)) ==
          0);
  return ntohs(address.sin_port);
}

/// Whether these are all the clients, in order.
bool are_of(const std::vector<zc::fd>& accepted, const std::vector<zc::fd>& clients) {
  if (accepted.size() != clients.size()) return false;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    if (port(accepted[i].get(), true) != port(clients[i].get(), false)) return false;
  }
  return true;
}

zc::task<> take(zc::acceptor& from, std::size_t count, std::vector<zc::fd>& to) {
  while (count-- > 0) {
    zc::result<zc::fd> one = co_await from.next();
    to.push_back(std::move(one).value());
  }
}

zc::task<int> error_of_next(zc::acceptor& from) {
  const zc::result<zc::fd> one = co_await from.next();
  co_return one.error().value();
}

zc::task<> turns(int count) {
  for (int i = 0; i < count; ++i) co_await zc::yield();
}

}  // namespace

TEST_CASE("acceptor: gives each connection in order, whatever the listener's mode") {
  for (const bool nonblocking : {false, true}) {
    CAPTURE(nonblocking);
    const door at(nonblocking);
    std::vector<zc::fd> clients;
    std::vector<zc::fd> accepted;
    const auto serve = [&]() -> zc::task<> {
      zc::acceptor connections(at.listener.get());
      zc::scope taking;
      taking.spawn(take(connections, 20, accepted));
      for (int i = 0; i < 20; ++i) {
        if (i % 3 == 0) co_await turns(3);  // quiet meanwhile
        clients.push_back(at.knock());
      }
      co_await taking.join();
    };
    zc::run(serve());
    CHECK(are_of(accepted, clients));
    for (const zc::fd& each : accepted) {
      CHECK((::fcntl(each.get(), F_GETFD) & FD_CLOEXEC) != 0);
      CHECK((::fcntl(each.get(), F_GETFL) & O_NONBLOCK) != 0);
    }
  }
}

TEST_CASE("acceptor: the flags of what it accepts can be chosen") {
  const door at;
  const std::vector<zc::fd> clients = at.knock(1);
  std::vector<zc::fd> accepted;
  const auto serve = [&]() -> zc::task<> {
    zc::acceptor connections(at.listener.get(), {.flags = SOCK_CLOEXEC});
    co_await take(connections, 1, accepted);
  };
  zc::run(serve());
  CHECK((::fcntl(accepted[0].get(), F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("acceptor: one op accepts many, and one each where the kernel does not know that") {
  for (const bool old_kernel : {false, true}) {
    CAPTURE(old_kernel);
    const door at;
    const std::vector<zc::fd> clients = at.knock(30);
    std::vector<zc::fd> accepted;
    zc::context context;
    support::scripted_kernel kernel(old_kernel ? fault{kind::error, EINVAL, 0, 1} : fault{});
    kernel.stand_before(context);
    const auto serve = [&]() -> zc::task<> {
      zc::acceptor connections(at.listener.get());
      co_await take(connections, 30, accepted);
    };
    context.run(serve());
    CHECK(are_of(accepted, clients));
    CHECK(kernel.steps() == (old_kernel ? 31 : 1));
  }
}

TEST_CASE("acceptor: accepts while nobody waits, until pause(), and again when somebody does") {
  for (const bool old_kernel : {false, true}) {
    CAPTURE(old_kernel);
    const door at;
    zc::context context;
    support::scripted_kernel kernel(old_kernel ? fault{kind::error, EINVAL, 0, 1} : fault{});
    kernel.stand_before(context);
    std::vector<zc::fd> clients = at.knock(1);
    std::vector<zc::fd> accepted;
    const auto serve = [&]() -> zc::task<> {
      zc::acceptor connections(at.listener.get());
      co_await take(connections, 1, accepted);
      clients.push_back(at.knock());
      co_await turns(3);
      CHECK(at.left_outside() == (old_kernel ? 1 : 0));
      if (old_kernel) clients.pop_back();
      connections.pause();
      co_await turns(10);
      const zc::fd kept_out = at.knock();
      co_await turns(10);
      CHECK(at.left_outside() == 1);
      clients.push_back(at.knock());
      co_await take(connections, clients.size() - accepted.size(), accepted);
      // As soon as it is paused, not only when the kernel has heard of it.
      connections.pause();
      clients.push_back(at.knock());
      co_await take(connections, 1, accepted);
    };
    context.run(serve());
    CHECK(are_of(accepted, clients));
  }
}

TEST_CASE("acceptor: what it keeps is bounded, and closed at its end") {
  const door at;
  const std::vector<zc::fd> clients = at.knock(500);
  zc::context context({.entries = 8});
  std::vector<zc::fd> accepted;
  const auto serve = [&]() -> zc::task<std::size_t> {
    zc::acceptor connections(at.listener.get());
    co_await take(connections, 1, accepted);
    const std::size_t before = support::open_descriptors();
    co_await turns(100);
    const std::size_t now = support::open_descriptors();
    CHECK(now >= before);
    const std::size_t kept = now - before;
    CHECK(kept < 2 * zc::acceptor::kept_limit + 4 * 8);
    // And what was kept comes before what was not.
    co_await take(connections, 300, accepted);
    co_return 500 - accepted.size();
  };
  const std::size_t rest = context.run(serve());
  CHECK(rest == 199);
  const std::size_t outside = at.left_outside();
  CHECK(outside <= rest);
  CHECK(outside > 0);
  for (std::size_t i = 0; i < accepted.size(); ++i) {
    CHECK(port(accepted[i].get(), true) == port(clients[i].get(), false));
  }
}

TEST_CASE("acceptor: a cancelled next() ends at once and loses no connection") {
  const door at;
  std::vector<zc::fd> clients;
  std::vector<zc::fd> accepted;
  const auto serve = [&]() -> zc::task<> {
    zc::acceptor connections(at.listener.get());
    // At each moment between the connection and what it resumes.
    for (int before = 0; before < 6; ++before) {
      for (int after = 0; after < 6; ++after) {
        zc::scope taking;
        taking.spawn(take(connections, 1, accepted));
        co_await turns(before);
        clients.push_back(at.knock());
        co_await turns(after);
        taking.cancel();
        co_await taking.join();
      }
    }
    CHECK(accepted.size() < clients.size());  // or nothing was tried
    const std::size_t rest = clients.size() - accepted.size();
    co_await take(connections, rest, accepted);
  };
  zc::run(serve());
  CHECK(are_of(accepted, clients));
}

TEST_CASE("acceptor: who loses a race against next() leaves the connection to the following one") {
  const door at;
  const std::vector<zc::fd> clients = at.knock(20);
  std::vector<zc::fd> accepted;
  const auto serve = [&]() -> zc::task<> {
    zc::acceptor connections(at.listener.get());
    while (accepted.size() < clients.size()) {
      for (int pause = 0; pause < 5; ++pause) {
        if (accepted.size() == clients.size()) break;
        std::vector<zc::fd> got;
        const auto race = co_await zc::when_any(turns(pause), take(connections, 1, got));
        // The one that came second has ended too: with what it took, or without.
        for (zc::fd& each : got) accepted.push_back(std::move(each));
        if (race.index() == 1) CHECK(got.size() == 1);
      }
    }
  };
  zc::run(zc::timeout(30s, serve()));
  CHECK(are_of(accepted, clients));
}

TEST_CASE("acceptor: begun in a cancelled task it takes nothing, and stopped it ends") {
  const door at;
  const std::vector<zc::fd> clients = at.knock(1);
  const auto serve = [&]() -> zc::task<> {
    zc::acceptor connections(at.listener.get());
    int error = 0;
    const auto ask = [&]() -> zc::task<> { error = co_await error_of_next(connections); };
    zc::scope cancelled;
    cancelled.cancel();
    cancelled.spawn(ask());
    co_await cancelled.join();
    CHECK(error == ECANCELED);
    std::vector<zc::fd> accepted;
    co_await take(connections, 1, accepted);
    error = 0;
    // Kept already, or in flight: a cancelled task gets none.
    const zc::fd another = at.knock();
    co_await turns(3);
    zc::scope too_late;
    too_late.cancel();
    too_late.spawn(ask());
    co_await too_late.join();
    CHECK(error == ECANCELED);
  };
  zc::run(serve());

  zc::context context;
  const auto wait = [&]() -> zc::task<int> {
    zc::acceptor connections(at.listener.get());
    context.stop();
    co_return co_await error_of_next(connections);
  };
  CHECK(context.run(wait()) == ECANCELED);
}

TEST_CASE("acceptor: without a descriptor left it says so, and goes on when there is one") {
  const door at;
  const std::vector<zc::fd> clients = at.knock(3);
  std::vector<zc::fd> accepted;
  zc::context context;
  const auto serve = [&]() -> zc::task<> {
    zc::acceptor connections(at.listener.get());
    {
      const support::limit none(RLIMIT_NOFILE, 3);
      for (int i = 0; i < 3; ++i) CHECK(co_await error_of_next(connections) == EMFILE);
    }
    co_await take(connections, 3, accepted);
  };
  context.run(serve());
  CHECK(are_of(accepted, clients));
}

TEST_CASE("acceptor: what is wrong with one connection is skipped, all else is said") {
  for (const int error : {ECONNABORTED, EPROTO, ENETDOWN, EHOSTUNREACH, EINTR, EAGAIN, ECANCELED,
                          512, EMFILE, ENOMEM, EPERM}) {
    CAPTURE(error);
    const door at;
    const std::vector<zc::fd> clients = at.knock(1);
    std::vector<zc::fd> accepted;
    zc::context context;
    support::scripted_kernel kernel({kind::error, error, 0, 3});
    kernel.stand_before(context);
    const auto serve = [&]() -> zc::task<> {
      zc::acceptor connections(at.listener.get());
      if (error == EMFILE || error == ENOMEM || error == EPERM) {
        for (int i = 0; i < 3; ++i) CHECK(co_await error_of_next(connections) == error);
      }
      co_await take(connections, 1, accepted);
    };
    context.run(serve());
    CHECK(kernel.met());
    CHECK(are_of(accepted, clients));
  }
}

TEST_CASE("acceptor: an error of one connection that stays is said, and not asked for again") {
  for (const int error : {ECONNABORTED, EPROTO}) {
    CAPTURE(error);
    const door at;
    const std::vector<zc::fd> clients = at.knock(1);
    std::vector<zc::fd> accepted;
    zc::context context;
    support::scripted_kernel kernel({kind::error, error, 0, 16 + 15});
    kernel.stand_before(context);
    const auto serve = [&]() -> zc::task<> {
      zc::acceptor connections(at.listener.get());
      CHECK(co_await error_of_next(connections) == error);
      CHECK(kernel.steps() == 16);
      co_await take(connections, 1, accepted);
    };
    context.run(serve());
    CHECK(kernel.met());
    CHECK(are_of(accepted, clients));
  }
}

TEST_CASE("acceptor: what does not listen is EINVAL, and what is no socket ENOTSOCK") {
  const zc::fd deaf(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const zc::fd file = support::empty_file();
  const auto error = [](int listener) -> zc::task<int> {
    zc::acceptor connections(listener);
    co_return co_await error_of_next(connections);
  };
  CHECK(zc::run(error(deaf.get())) == EINVAL);
  CHECK(zc::run(error(file.get())) == ENOTSOCK);

  // Shut down while it waits.
  const door at;
  const auto close_door = [&]() -> zc::task<int> {
    zc::acceptor connections(at.listener.get());
    const zc::fd client = at.knock();
    std::vector<zc::fd> accepted;
    co_await take(connections, 1, accepted);
    zc::scope shutting;
    const auto later = [&]() -> zc::task<> {
      co_await turns(3);
      ::shutdown(at.listener.get(), SHUT_RDWR);
    };
    shutting.spawn(later());
    const int said = co_await error_of_next(connections);
    co_await shutting.join();
    co_return said;
  };
  CHECK(zc::run(close_door()) == EINVAL);
}

TEST_CASE("acceptor: held up in the kernel or on its way, each connection still comes once") {
  for (const kind what : {kind::delayed, kind::reordered, kind::queue_full, kind::enter_fails}) {
    for (const int times : {1, 5, 1000}) {
      if (times == 1000 && what != kind::delayed && what != kind::reordered) continue;
      CAPTURE(what);
      CAPTURE(times);
      const door at;
      std::vector<zc::fd> clients;
      std::vector<zc::fd> accepted;
      zc::context context({.entries = 2});
      support::scripted_kernel kernel({what, what == kind::enter_fails ? EBUSY : 0, 0, times});
      kernel.stand_before(context);
      const auto serve = [&]() -> zc::task<> {
        zc::acceptor connections(at.listener.get());
        for (int i = 0; i < 30; ++i) {
          clients.push_back(at.knock());
          clients.push_back(at.knock());
          zc::scope taking;
          taking.spawn(take(connections, 2, accepted));
          if (i % 3 != 0) co_await turns(i % 5);
          if (i % 4 == 0) taking.cancel();
          co_await taking.join();
          if (i % 5 == 0) connections.pause();
        }
        co_await take(connections, clients.size() - accepted.size(), accepted);
      };
      context.run(zc::timeout(60s, serve()));
      CHECK(kernel.met());
      CHECK(are_of(accepted, clients));
    }
  }
}

TEST_CASE("acceptor: ends with its op in any stage, and with connections that nobody took") {
  const door at;
  for (int pause = 0; pause < 6; ++pause) {
    for (int i = 0; i < 6; ++i) {
      const auto serve = [&]() -> zc::task<> {
        zc::acceptor connections(at.listener.get());
        zc::scope taking;
        std::vector<zc::fd> accepted;
        taking.spawn(take(connections, 2, accepted));
        const std::vector<zc::fd> clients = at.knock(static_cast<std::size_t>(pause % 3));
        co_await turns(i);
        if (pause >= 3) {
          taking.cancel();
          co_await taking.join();
          connections.pause();
          co_await turns(pause - 3);
        }
      };
      zc::run(serve());
    }
  }
}

TEST_CASE("acceptor: 5000 connections, a few at a time and all of a sudden") {
  const door at;
  zc::context context({.entries = 16});
  const auto serve = [&]() -> zc::task<std::size_t> {
    zc::acceptor connections(at.listener.get());
    std::size_t count = 0;
    for (std::size_t burst = 1; count < 5000; burst = burst * 3 % 999) {
      const std::vector<zc::fd> clients = at.knock(burst);
      std::vector<zc::fd> accepted;
      co_await take(connections, burst, accepted);
      CHECK(are_of(accepted, clients));
      count += burst;
    }
    co_return count;
  };
  CHECK(context.run(serve()) >= 5000);
}

TEST_SUITE_END();
