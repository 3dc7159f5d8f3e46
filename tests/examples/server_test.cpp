#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "../examples/server/proxy_protocol.hpp"
#include "examples/file_server_support.hpp"
#include "examples/http_client.hpp"
#include "examples/other_servers.hpp"
#include "examples/process_view.hpp"
#include "examples/ship_support.hpp"
#include "examples/tcp_relay_support.hpp"
#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "support/sanitizers.hpp"
#include "zc/address.hpp"

// What servers have in common: where they listen, whom they let in, and how they end.

TEST_SUITE_BEGIN("kernel");

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using support::file_server;
using support::http_client;
using support::program;
using support::request;

std::string port_of(const std::string& address) {
  return std::to_string(zc::address::parse(address).port());
}

/// A directory with a file of ten bytes.
class site {
 public:
  site() { support::make_file(at_.path() / "file", "0123456789"); }
  program serve(const std::vector<std::string>& more) const {
    std::vector<std::string> all{"file_server", "--root", at_.path()};
    all.insert(all.end(), more.begin(), more.end());
    return program(std::move(all));
  }
  fs::path path(const std::string& name) const { return at_.path() / name; }

 private:
  support::temporary_directory at_;
};

bool is_served_at(const std::string& address) {
  http_client client(address);
  return client.ask(request("GET", "/file")).body == "0123456789";
}

bool is_served_by_path(const fs::path& socket) {
  const program::result done =
      support::curl({"--unix-socket", socket.string(), "http://local/file"});
  return done.code == 0 && done.out == "0123456789";
}

zc::fd connect_to(const fs::path& path) {
  zc::fd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::strncpy(at.sun_path, path.c_str(), sizeof at.sun_path - 1);
  if (::connect(client.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) < 0) return {};
  return client;
}

bool listens(const fs::path& path) { return bool(connect_to(path)); }

/// A connection to a path, with a request sent.
zc::fd ask_by_path(const fs::path& path) {
  zc::fd client = connect_to(path);
  REQUIRE(client);
  support::write_all(client.get(), request("GET", "/file"));
  return client;
}

bool ends_well(program& one) {
  one.signal(SIGTERM);
  return one.finish().code == 0;
}

/// Connects anew for each request until nobody listens any more. False where one was not answered.
bool ask_until_refused(const std::string& address, std::atomic<int>& answered) {
  try {
    for (;;) {
      http_client client(address);
      try {
        if (client.ask(request("GET", "/file")).status != 200) return false;
      } catch (const std::exception&) {
        return false;
      }
      ++answered;
    }
  } catch (const std::system_error& refused) {
    return refused.code() == std::errc::connection_refused;
  }
}

}  // namespace

TEST_CASE("examples/server: without a host it listens for IPv4 and IPv6") {
  const site files;
  program one = files.serve({"--listen", ":0"});
  const std::string port = port_of(one.address());
  CHECK(is_served_at("127.0.0.1:" + port));
  CHECK(is_served_at("[::1]:" + port));
  CHECK(ends_well(one));
}

TEST_CASE("examples/server: it listens at a path, which goes with it, and takes over a stale one") {
  const site files;
  const fs::path path = files.path("socket");
  const std::string where = "unix:" + path.string();
  {
    program killed = files.serve({"--listen", where});
    CHECK(killed.address() == where);
    CHECK(is_served_by_path(path));
    program second = files.serve({"--listen", where});
    CHECK(second.finish().err.find("Address already in use") != std::string::npos);
  }
  REQUIRE(fs::exists(path));
  // A killed process's sockets may live on for a moment.
  CHECK(support::comes_true([&] { return !listens(path); }));
  program one = files.serve({"--listen", where, "--listen", "127.0.0.1:0", "--threads", "2"});
  CHECK(one.address() == where);
  CHECK(is_served_by_path(path));
  CHECK(ends_well(one));
  CHECK_FALSE(fs::exists(path));
  // What is no socket is not removed.
  support::make_file(path, "precious");
  program refused = files.serve({"--listen", where});
  CHECK(refused.finish().code != 0);
  CHECK(fs::file_size(path) == 8);
}

TEST_CASE("examples/server: it serves the sockets that systemd passes, and leaves them open") {
  const site files;
  std::uint16_t first_port = 0;
  std::uint16_t second_port = 0;
  const zc::fd first = support::tcp_listener(first_port);
  const zc::fd second = support::tcp_listener(second_port);
  ::fcntl(first.get(), F_SETFD, 0);
  ::fcntl(second.get(), F_SETFD, 0);
  const auto started = [&](const std::string& id) {
    const std::string script = "LISTEN_PID=" + id + " LISTEN_FDS=2 exec \"$0\" \"$@\" 3<&" +
                               std::to_string(first.get()) + " 4<&" + std::to_string(second.get());
    return program({"/bin/sh", "-c", script, support::example("file_server"), "--root",
                    files.path(""), "--listen", "systemd", "--threads", "2"});
  };
  for (int round = 0; round < 2; ++round) {
    program one = started("$$");
    CHECK(one.address() == "127.0.0.1:" + std::to_string(first_port));
    CHECK(is_served_at("127.0.0.1:" + std::to_string(first_port)));
    CHECK(is_served_at("127.0.0.1:" + std::to_string(second_port)));
    CHECK(ends_well(one));
  }
  // They were meant for another process.
  program other = started("1");
  CHECK(other.finish().err.find("LISTEN_FDS") != std::string::npos);
}

TEST_CASE("examples/server: the limit of connections is one for all threads") {
  const site files;
  program one = files.serve({"--listen", "127.0.0.1:0", "--threads", "4", "--connections", "8"});
  const std::string address = one.address();
  std::deque<http_client> clients;
  for (int i = 0; i < 8; ++i) {
    CHECK(clients.emplace_back(address).ask(request("GET", "/file")).status == 200);
  }
  http_client& last = clients.emplace_back(address);
  last.send(request("GET", "/file"));
  CHECK(!last.hears_within(100ms));
  clients.pop_front();
  CHECK(last.receive().status == 200);
  clients.clear();
  CHECK(ends_well(one));
}

TEST_CASE("examples/server: the limit is one for all sockets, and who waits is not let in") {
  const site files;
  const fs::path path = files.path("socket");
  const std::string by_path = "unix:" + path.string();
  program one = files.serve({"--listen", "127.0.0.1:0", "--listen", by_path, "--connections", "4"});
  const std::string address = one.address();
  const auto sockets = [&one] { return support::descriptors_of(one.id()).sockets; };
  const std::size_t own = sockets();
  std::deque<http_client> clients;
  for (int i = 0; i < 6; ++i) clients.emplace_back(address).send(request("GET", "/file"));
  // One has its place at the other socket.
  for (std::size_t i = 0; i < 3; ++i) CHECK(clients[i].receive().status == 200);
  zc::fd first = ask_by_path(path);
  CHECK(support::read_some(first.get(), 12) == "HTTP/1.1 200");
  const zc::fd second = ask_by_path(path);
  pollfd heard{second.get(), POLLIN, 0};
  CHECK(::poll(&heard, 1, 300) == 0);
  CHECK(!clients[3].hears_within(1ms));
  CHECK(sockets() == own + 4);
  first = {};
  CHECK(support::read_some(second.get(), 12) == "HTTP/1.1 200");
  for (std::size_t i = 3; i < 6; ++i) {
    clients[i - 3].reset();
    CHECK(clients[i].receive().status == 200);
  }
  clients.clear();
  one.signal(SIGTERM);
  const program::result ended = one.finish();
  CHECK(ended.code == 0);
  CHECK(ended.err.find("exhausted") == std::string::npos);

  program none = files.serve({"--listen", ":0", "--listen", by_path, "--connections", "1"});
  CHECK(none.finish().err.find("fewer connections are allowed") != std::string::npos);
}

TEST_CASE("examples/server: asked to stop, it serves everybody whom it has let in") {
  const site files;
  program one = files.serve({"--listen", "127.0.0.1:0", "--threads", "2"});
  const std::string address = one.address();
  std::atomic<int> answered = 0;
  std::atomic<int> failed = 0;
  std::vector<std::jthread> clients;
  for (int i = 0; i < 6; ++i) {
    clients.emplace_back([&] {
      if (!ask_until_refused(address, answered)) ++failed;
    });
  }
  CHECK(support::comes_true([&] { return answered > 100; }));
  CHECK(ends_well(one));
  clients.clear();
  CHECK(failed == 0);
}

TEST_CASE("examples/server: QUIT ends it as TERM does, HUP and USR2 do not") {
  const site files;
  const fs::path log = files.path("log");
  program one = files.serve({"--listen", "127.0.0.1:0", "--access-log", "--log", log.string()});
  const std::string address = one.address();
  one.signal(SIGUSR2);
  CHECK(is_served_at(address));
  CHECK(support::comes_true([&] { return fs::file_size(log) > 0; }));
  fs::rename(log, files.path("old log"));
  one.signal(SIGHUP);
  CHECK(support::comes_true([&] { return fs::exists(log); }));
  CHECK(is_served_at(address));
  CHECK(support::comes_true([&] { return fs::file_size(log) > 0; }));
  one.signal(SIGQUIT);
  const program::result ended = one.finish();
  CHECK(ended.code == 0);
  CHECK(ended.err == "");
}

TEST_CASE(
    "examples/server: at HUP a log that cannot be opened keeps nothing else from being opened") {
  const site files;
  const fs::path log = files.path("logs") / "log";
  const fs::path accesses = files.path("accesses");
  fs::create_directory(log.parent_path());
  program one = files.serve({"--listen", "127.0.0.1:0", "--log", log.string(), "--access-log",
                             "--log-file", accesses.string()});
  const std::string address = one.address();
  fs::rename(log.parent_path(), files.path("old logs"));
  fs::rename(accesses, files.path("old accesses"));
  one.signal(SIGHUP);
  CHECK(support::comes_true([&] { return fs::exists(accesses); }));
  CHECK(is_served_at(address));
  CHECK(support::comes_true([&] { return fs::file_size(accesses) > 0; }));
  CHECK(ends_well(one));
  const zc::fd said = support::open_file(files.path("old logs") / "log", O_RDONLY);
  CHECK(support::contents(said.get()).find(log.string() + ": No such file") != std::string::npos);
}

TEST_CASE("examples/server: a relay listens at a path, and heeds the same signals") {
  const support::temporary_directory at;
  const fs::path path = at.path() / "socket";
  const support::backend behind;
  support::running_relay relay(behind.address(),
                               {"--listen", "unix:" + path.string(), "--send-proxy", "v1", "--log",
                                (at.path() / "log").string()});
  const zc::fd client = connect_to(path);
  REQUIRE(client);
  support::write_all(client.get(), "hello");
  const zc::fd served = behind.accept();
  CHECK(support::hears(served.get(), "PROXY UNKNOWN\r\nhello"));
  fs::remove(at.path() / "log");
  relay.process().signal(SIGUSR2);
  relay.process().signal(SIGHUP);
  CHECK(support::comes_true([&] { return fs::exists(at.path() / "log"); }));
  support::write_all(served.get(), "answer");
  CHECK(support::read_some(client.get(), 6) == "answer");
  ::shutdown(client.get(), SHUT_WR);
  ::shutdown(served.get(), SHUT_WR);
  relay.process().signal(SIGQUIT);
  CHECK(relay.process().finish().code == 0);
  const zc::fd log = support::open_file(at.path() / "log", O_RDONLY);
  CHECK(support::statistic(support::contents(log.get()), "accepted") == 1);
}

TEST_CASE("examples/server: numbers are not told where clients are served") {
  const site files;
  const std::string where = support::free_address();
  const std::string port = ":" + port_of(where);
  for (const std::vector<std::string>& both :
       {std::vector{where, where}, {where, port}, {port, where}, {"0.0.0.0" + port, where}}) {
    CAPTURE(both);
    program one = files.serve({"--listen", both[0], "--metrics", both[1]});
    const program::result ended = one.finish();
    CHECK(ended.code != 0);
    CHECK(ended.err.find("is where --listen is") != std::string::npos);
  }
  program passed = files.serve({"--listen", where, "--metrics", "systemd"});
  CHECK(passed.finish().err.find("systemd's sockets are for --listen") != std::string::npos);
  // A new copy can start beside an old one all the same.
  const std::vector<std::string> apart{"--listen", where, "--metrics", support::free_address()};
  program old = files.serve(apart);
  CHECK(old.address() == where);
  program next = files.serve(apart);
  CHECK(next.address() == where);
  CHECK(ends_well(old));
  CHECK(ends_well(next));
}

TEST_CASE("examples/server: of several that start at a stale path, one listens there") {
  const site files;
  const fs::path path = files.path("socket");
  const std::string where = "unix:" + path.string();
  for (int round = 0; round < 3; ++round) {
    fs::remove(path);
    {
      sockaddr_un at{};
      at.sun_family = AF_UNIX;
      std::strncpy(at.sun_path, path.c_str(), sizeof at.sun_path - 1);
      const zc::fd stale(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      REQUIRE(::bind(stale.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0);
    }
    std::deque<program> all;
    for (int i = 0; i < 4; ++i) {
      all.emplace_back(
          std::vector<std::string>{"file_server", "--root", files.path(""), "--listen", where});
    }
    CHECK(support::comes_true([&] { return listens(path); }));
    int refused = 0;
    const auto count_refused = [&] {
      refused = 0;
      for (const program& each : all) {
        if (each.complaints().find("Address already in use") != std::string::npos) ++refused;
      }
      return refused == 3;
    };
    CHECK(support::comes_true(count_refused));
    CHECK(listens(path));
    for (const program& each : all) each.signal(SIGTERM);
  }
}

TEST_CASE("examples/server: it tells its numbers to Prometheus") {
  const site files;
  program one =
      files.serve({"--listen", "127.0.0.1:0", "--metrics", "unix:" + files.path("numbers").string(),
                   "--threads", "2", "--connections", "100"});
  const std::string address = one.address();
  for (int i = 0; i < 3; ++i) CHECK(is_served_at(address));
  http_client(address).ask(request("GET", "/none"));
  const auto numbers = [&](const std::string& target) {
    return support::curl(
        {"--unix-socket", files.path("numbers").string(), "--include", "http://local" + target});
  };
  const std::string said = numbers("/metrics").out;
  CHECK(said.find("HTTP/1.1 200 OK\r\n") == 0);
  CHECK(said.find("\r\nContent-Type: text/plain; version=0.0.4") != std::string::npos);
  for (const char* const line :
       {"file_server_connections_total 4\n", "file_server_connections_limit 100\n",
        "file_server_answers_total{code=\"200\"} 3\n",
        "file_server_answers_total{code=\"404\"} 1\n", "# TYPE file_server_answers_total counter\n",
        "# TYPE file_server_connections gauge\n"}) {
    CAPTURE(line);
    CHECK(said.find(line) != std::string::npos);
  }
  CHECK(numbers("/").out.find("HTTP/1.1 404 ") == 0);
  CHECK(ends_well(one));

  const support::backend behind;
  const std::string where = support::free_address();
  support::running_relay relay(behind.address(), {"--metrics", where});
  const support::through on = support::connect_through(relay, behind);
  support::write_all(on.client.get(), "hello");
  CHECK(support::hears(on.server.get(), "hello"));
  http_client asking(where);
  const std::string relayed = asking.ask(request("GET", "/metrics")).body;
  CHECK(relayed.find("tcp_relay_to_upstream_bytes_total 5\n") != std::string::npos);
  CHECK(relayed.find("tcp_relay_connections 1\n") != std::string::npos);
  CHECK(relayed.find("tcp_relay_outcomes_total{what=\"refused\"} 0\n") != std::string::npos);
}

TEST_CASE("examples/file_server: behind a proxy it logs the client that the proxy tells") {
  namespace proxy = server::proxy_protocol;
  const proxy::endpoints ends{zc::address::parse("192.0.2.7:1234"),
                              zc::address::parse("192.0.2.8:80")};
  file_server serving({"--accept-proxy", "--access-log"});
  serving.add("file", 10);
  std::string extended = proxy::encode(proxy::version::v2, ends);
  extended[15] = static_cast<char>(extended[15] + 100);  // of extensions, which nobody reads
  extended.append(100, 'x');
  for (const std::string& header : {proxy::encode(proxy::version::v1, ends),
                                    proxy::encode(proxy::version::v2, ends), extended}) {
    http_client whole(serving.address());
    CHECK(whole.ask(header + request("GET", "/file")).status == 200);
    CHECK(whole.ask(request("GET", "/file")).status == 200);
    http_client slow(serving.address());
    for (std::size_t at = 0; at < header.size(); at += 25) {
      slow.send(header.substr(at, 25));
      std::this_thread::sleep_for(2ms);
    }
    CHECK(slow.ask(request("GET", "/file")).status == 200);
  }
  for (const std::string& wrong : {request("GET", "/file"), std::string("PROXY TCP4 no\r\n")}) {
    http_client client(serving.address());
    client.send(wrong);
    CHECK(client.rest() == "");
    CHECK(client.end_seen() == http_client::end::reset);
  }
  const std::string said = serving.stop(SIGTERM).err;
  CHECK(support::times(said, "192.0.2.7 ") == 9);
  CHECK(support::times(said, "127.0.0.1 ") == 0);
}

// UBSan looks at objects through a pipe: without a descriptor for that it finds fault with all.
#ifndef ZC_TEST_ASAN
TEST_CASE("examples/server: who there are no descriptors for waits, and is served then") {
  const site files;
  program one({"file_server", "--root", files.path(""), "--listen", "127.0.0.1:0"},
              {.descriptors = 64});
  const std::string address = one.address();
  std::deque<http_client> clients;
  for (int i = 0; i < 100; ++i) clients.emplace_back(address).send(request("GET", "/file"));
  for (; !clients.empty(); clients.pop_front()) CHECK(clients.front().receive().status == 200);
  one.signal(SIGTERM);
  const program::result ended = one.finish();
  CHECK(ended.code == 0);
  CHECK(ended.err.find("Too many open files") == std::string::npos);

  const support::backend behind;
  support::running_relay relay(behind.address(), {}, {.descriptors = 64});
  std::deque<zc::fd> waiting;
  for (int i = 0; i < 60; ++i) {
    waiting.push_back(support::reach(relay.address()));
    support::write_all(waiting.back().get(), "hello");
  }
  for (; !waiting.empty(); waiting.pop_front()) {
    const zc::fd served = behind.accept();
    CHECK(support::hears(served.get(), "hello"));
    support::write_all(served.get(), "answer");
    ::shutdown(served.get(), SHUT_WR);
    CHECK(support::hear_out(waiting.front().get()).bytes == "answer");
  }
  CHECK(support::statistic(relay.stop(), "failed") == 0);
}
#endif

TEST_SUITE_END();
