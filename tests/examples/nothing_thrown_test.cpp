#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "examples/program.hpp"
#include "examples/ship_support.hpp"
#include "support/descriptors.hpp"
#include "support/sanitizers.hpp"
#include "zc/context.hpp"
#include "zc/op/nop.hpp"
#include "zc/sleep.hpp"
#include "zc/splice_batch.hpp"
#include "zc/timeout.hpp"
#include "zc/when_any.hpp"
#include "zc/with_stop.hpp"

// In ordinary life nothing is thrown: what ends because it is not waited for any more says so to
// nobody.

#if !defined(ZC_TEST_ASAN) && !defined(ZC_TEST_TSAN)

TEST_SUITE_BEGIN("kernel");

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

using support::connect_to;
using support::program;
using support::write_all;

constexpr std::size_t body_bytes = 1000;
constexpr int connections = 1000;

/// What a program has thrown so far.
class thrown_count {
 public:
  std::string file() const { return at_.path() / "thrown"; }
  std::uintmax_t now() const { return fs::exists(file()) ? fs::file_size(file()) : 0; }

 private:
  support::temporary_directory at_;
};

std::string request(bool last) {
  return std::string("GET /file HTTP/1.1\r\nHost: here\r\n") +
         (last ? "Connection: close\r\n\r\n" : "\r\n");
}

/// One answer with all of its body.
bool is_answered(int socket) {
  std::string got;
  while (got.find("\r\n\r\n") == std::string::npos ||
         got.size() < got.find("\r\n\r\n") + 4 + body_bytes) {
    std::array<char, 4096> more{};
    const ssize_t size = ::recv(socket, more.data(), more.size(), 0);
    if (size <= 0) return false;
    got.append(more.data(), static_cast<std::size_t>(size));
  }
  return got.starts_with("HTTP/1.1 200");
}

/// Some that are closed by the server and some by the client, after several requests each.
void connect_many(const std::string& address) {
  int answered = 0;
  for (int i = 0; i < connections; ++i) {
    const zc::fd closed = connect_to(address);
    write_all(closed.get(), request(true));
    answered += is_answered(closed.get()) ? 1 : 0;
    const zc::fd kept = connect_to(address);
    for (int j = 0; j < 2; ++j) {
      write_all(kept.get(), request(false));
      answered += is_answered(kept.get()) ? 1 : 0;
    }
  }
  CHECK(answered == 3 * connections);
}

}  // namespace

TEST_CASE("nothing thrown: by file_server and tcp_relay for connections, kept and closed") {
  const support::temporary_directory at;
  support::make_file(at.path() / "file", std::string(body_bytes, 'x'));
  const thrown_count by_server;
  const thrown_count by_relay;
  program server({"file_server", "--root", at.path(), "--listen", "127.0.0.1:0"},
                 {.thrown = by_server.file()});
  const std::string address = server.address();
  program relay({"tcp_relay", "--listen", "127.0.0.1:0", "--to", address},
                {.thrown = by_relay.file()});
  connect_many(address);
  connect_many(relay.address());
  // Those that have just been closed come to their end.
  std::this_thread::sleep_for(200ms);
  CHECK(by_server.now() == 0);
  CHECK(by_relay.now() == 0);
  relay.signal(SIGTERM);
  CHECK(relay.finish().code == 0);
  server.signal(SIGTERM);
  CHECK(server.finish().code == 0);
}

TEST_CASE("nothing thrown: the counter counts") {
  std::uint16_t port = 0;
  { const zc::fd gone = support::tcp_listener(port); }
  const thrown_count by_sender;
  const program::result sent =
      support::run_program({"ship", "send", "127.0.0.1:" + std::to_string(port), "/etc/hostname"},
                           {.thrown = by_sender.file()});
  CHECK(sent.code == 1);
  CHECK(by_sender.now() > 0);
}

TEST_CASE("nothing thrown: by either end of ship for a tree") {
  const support::temporary_directory at;
  fs::create_directories(at.path() / "tree" / "sub");
  for (int i = 0; i < 300; ++i) {
    support::make_file(at.path() / "tree" / "sub" / std::to_string(i), std::string(2000, 'x'));
  }
  support::make_file(at.path() / "tree" / "large", std::string(10 << 20, 'x'));
  const thrown_count by_sender;
  const thrown_count by_receiver;
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"},
                   {.thrown = by_receiver.file()});
  CHECK(support::run_program({"ship", "send", receiver.address(), at.path() / "tree"},
                             {.thrown = by_sender.file()})
            .code == 0);
  CHECK(receiver.finish().code == 0);
  CHECK(by_sender.now() == 0);
  CHECK(by_receiver.now() == 0);
}

// Run by the next one in a process of its own.
TEST_CASE("nothing thrown (child): batches and combinators" * doctest::skip()) {
  const zc::fd file = support::file_of(1000);
  const zc::fd nowhere = support::open_file("/dev/null", O_WRONLY);
  const std::stop_source never;
  const auto work = [&]() -> zc::task<> {
    const std::vector<zc::splice_job> jobs(10, {file.get(), nowhere.get(), {}});
    for (int i = 0; i < 1000; ++i) {
      const std::vector<zc::transfer> done = co_await zc::timeout(10s, zc::splice_batch(jobs));
      CHECK(done.size() == 10);
      const auto first = co_await zc::when_any(zc::op::nop(), zc::sleep_for(1h));
      CHECK(first.index() == 0);
      static_cast<void>(co_await zc::with_stop(never.get_token(), zc::timeout(10s, zc::op::nop())));
    }
  };
  zc::run(work());
}

TEST_CASE("nothing thrown: by 1000 batches under a deadline, and by what sleeps beside them") {
  const thrown_count by_child;
  const program::result done = support::run_program(
      {fs::read_symlink("/proc/self/exe"), "--no-skip", "--test-case=nothing thrown (child)*"},
      {.thrown = by_child.file()});
  CHECK(done.code == 0);
  CHECK(done.out.find("1 passed") != std::string::npos);
  CHECK(by_child.now() == 0);
}

TEST_SUITE_END();

#endif
