#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <thread>

#include "../examples/ship/wire.hpp"
#include "examples/program.hpp"
#include "examples/ship_support.hpp"
#include "support/descriptors.hpp"

// Both sides of a session tell of the same things.

TEST_SUITE_BEGIN("kernel");

namespace fs = std::filesystem;

namespace {

using support::make_file;
using support::program;
using support::run_program;

constexpr std::uint64_t mebibyte = 1 << 20;

std::string contents_of(const fs::path& path) {
  return support::contents(support::open_file(path, O_RDONLY).get());
}

bool says(const std::string& all, const std::string& text) {
  return all.find(text) != std::string::npos;
}

std::size_t count_of(const std::string& all, const std::string& text) {
  std::size_t count = 0;
  for (std::size_t i = all.find(text); i != std::string::npos; i = all.find(text, i + 1)) ++count;
  return count;
}

struct outcome {
  program::result sent;
  program::result received;
};

outcome ship_one(const fs::path& what, const fs::path& into) {
  program receiver({"ship", "receive", "127.0.0.1:0", into, "--json"});
  outcome both;
  both.sent = run_program({"ship", "send", "--json", receiver.address(), what});
  both.received = receiver.finish();
  return both;
}

}  // namespace

TEST_CASE("examples/ship: what the sender cannot send, the receiver counts and names too") {
  const support::temporary_directory at;
  fs::create_directory(at.path() / "tree");
  REQUIRE(::mkfifo((at.path() / "tree" / "fifo").c_str(), 0666) == 0);
  make_file(at.path() / "tree" / "file", "contents\n");
  const outcome both = ship_one(at.path() / "tree", at.path() / "into");
  for (const program::result* each : {&both.sent, &both.received}) {
    CHECK(each->code == 1);
    CHECK(says(each->out, "\"failed\":1,"));
    CHECK(says(each->out, "\"path\":\"tree/fifo\""));
    CHECK(says(each->err, "not a regular file, directory or symbolic link"));
    CHECK(says(each->out, "{\"files\":1,\"directories\":1,"));
  }
}

TEST_CASE("examples/ship: a file that says it is empty and is not arrives whole") {
  const support::temporary_directory at;
  make_file(at.path() / "empty", "");
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  // One line, and more than is read at once.
  const program::result sent = run_program(
      {"ship", "send", receiver.address(), "/proc/version", "/proc/kallsyms", at.path() / "empty"});
  const program::result received = receiver.finish();
  CHECK(sent.code == 0);
  CHECK(sent.err == "");
  CHECK(received.code == 0);
  CHECK(contents_of(at.path() / "into" / "version") ==
        support::read_all(support::open_file("/proc/version", O_RDONLY).get()));
  const std::string symbols = contents_of(at.path() / "into" / "kallsyms");
  CHECK(symbols.size() > 100'000);
  CHECK(symbols == support::read_all(support::open_file("/proc/kallsyms", O_RDONLY).get()));
  CHECK(contents_of(at.path() / "into" / "empty") == "");
}

TEST_CASE("examples/ship: a file that grows once it is sent is a failure on both sides") {
  const support::temporary_directory at;
  const fs::path victim = at.path() / "victim";
  make_file(victim, std::string(3 * mebibyte, 'v'));
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into", "--json"});
  bool grown = false;
  // All of it is in the sender's socket; the receiver's answer has still to come.
  const support::middleman between(receiver.address(), [&](std::uint64_t forwarded) {
    if (grown || forwarded < 2 * mebibyte) return;
    grown = true;
    const zc::fd more = support::open_file(victim, O_WRONLY | O_APPEND);
    support::write_all(more.get(), "more");
  });
  const program::result sent =
      run_program({"ship", "send", "--json", between.address(), victim, "--connections", "1"});
  const program::result received = receiver.finish();
  for (const program::result* each : {&sent, &received}) {
    CHECK(each->code == 1);
    CHECK(says(each->out, "\"failed\":1,"));
    CHECK(says(each->err, "victim: "));
    CHECK(says(each->err, "changed while it was being "));
  }
}

TEST_CASE("examples/ship: one cause is said once, and what follows from it is counted") {
  if (!support::may_mount()) {
    MESSAGE("skipped: mounts are refused here");
    return;
  }
  const support::temporary_directory at;
  const support::small_filesystem read_only(mebibyte);
  REQUIRE(::mount(nullptr, read_only.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) ==
          0);
  fs::create_directories(at.path() / "tree" / "sub" / "deeper");
  for (int i = 0; i < 10; ++i) make_file(at.path() / "tree" / "sub" / std::to_string(i), "x");
  make_file(at.path() / "tree" / "file", "x");
  const outcome both = ship_one(at.path() / "tree", read_only.path());
  for (const program::result* each : {&both.sent, &both.received}) {
    CHECK(each->code == 1);
    CHECK(says(each->out, "\"failed\":14,"));
    CHECK(says(each->err, "ship: tree: "));
    CHECK(count_of(each->err, "Read-only file system") == 1);
    CHECK(says(each->err, "12 more: "));
    CHECK(std::count(each->err.begin(), each->err.end(), '\n') == 3);
  }
}

TEST_CASE("examples/ship: a connection that is lost is one failure, named, and the items counted") {
  const support::temporary_directory at;
  fs::create_directory(at.path() / "tree");
  for (int i = 0; i < 20; ++i) {
    make_file(at.path() / "tree" / std::to_string(i), std::string(mebibyte, 'x'));
  }
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  const std::string address = receiver.address();
  bool killed = false;
  const support::middleman between(address, [&](std::uint64_t forwarded) {
    if (killed || forwarded < mebibyte) return;
    receiver.signal(SIGKILL);
    killed = true;
  });
  const program::result sent =
      run_program({"ship", "send", between.address(), at.path() / "tree", "--connections", "1"});
  CHECK(sent.code == 1);
  CHECK(says(sent.err, "the connection to " + between.address() + " was lost: "));
  CHECK(count_of(sent.err, "was lost: ") <= 2);  // once, and how many more
  CHECK(says(sent.err, "no connection is left"));
  CHECK(std::count(sent.err.begin(), sent.err.end(), '\n') <= 5);
}

TEST_CASE("examples/ship: who does not answer is named, and for how long was waited") {
  std::uint16_t port = 0;
  const zc::fd silent = support::tcp_listener(port);
  const std::string address = "127.0.0.1:" + std::to_string(port);
  const program::result sent =
      run_program({"ship", "send", address, "/etc/hostname", "--connect-timeout", "0.2"});
  CHECK(sent.code == 1);
  CHECK(sent.err == "ship: cannot send to " + address +
                        ": no greeting within 1 s; is it ship that listens there?\n");
}

TEST_CASE("examples/ship: who answers in another version is named, and which it is") {
  std::uint16_t port = 0;
  const zc::fd listener = support::tcp_listener(port);
  const std::string address = "127.0.0.1:" + std::to_string(port);
  std::thread older([&listener] {
    const zc::fd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    std::string answer;
    ship::wire::append(answer, ship::wire::welcome{1, ship::wire::verdict::other_version});
    support::write_all(client.get(), answer);
    support::read_all(client.get());
  });
  const program::result sent =
      run_program({"ship", "send", address, "/etc/hostname", "--connections", "1"});
  older.join();
  CHECK(sent.code == 1);
  CHECK(sent.err ==
        "ship: cannot send to " + address +
            ": the receiver speaks version 1 of the protocol, and this program version 3\n");
}

TEST_SUITE_END();
