#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "examples/program.hpp"
#include "examples/ship_support.hpp"
#include "examples/tcp_relay_support.hpp"
#include "support/descriptors.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using support::make_file;
using support::program;
using support::run_program;

std::string file_contents(const std::filesystem::path& path) {
  return support::contents(support::open_file(path, O_RDONLY).get());
}

}  // namespace

TEST_CASE("examples/copy: the copy is the original, and nothing copies onto itself") {
  const support::temporary_directory at;
  const std::string from = at.path() / "from";
  const std::string to = at.path() / "to";
  make_file(from, support::bytes_at(0, 3'000'001));
  make_file(to, support::bytes_at(0, 4'000'000, 1));
  const program::result done = run_program({"copy", from, to});
  CHECK(done.code == 0);
  CHECK(done.out == "3000001 bytes\n");
  CHECK(file_contents(to) == file_contents(from));

  CHECK(run_program({"copy", from, from}).code == 1);
  CHECK(file_contents(from).size() == 3'000'001);
  CHECK(run_program({"copy", at.path() / "none", to}).code == 1);
  CHECK(run_program({"copy", "/proc/self/status", to}).code == 0);
  CHECK(file_contents(to).rfind("Name:", 0) == 0);
  CHECK(run_program({"copy"}).code == 2);
}

TEST_CASE("examples/cat: files, pipes and an appending target") {
  const support::temporary_directory at;
  const std::string first = at.path() / "first";
  const std::string second = at.path() / "second";
  make_file(first, support::bytes_at(0, 300'000));
  make_file(second, support::bytes_at(300'000, 70'000));

  SUBCASE("to a file, one after the other") {
    const program::result done = run_program({"cat", first, second});
    CHECK(done.code == 0);
    CHECK(done.out.size() == 370'000);
    CHECK(support::are_bytes_at(done.out, 0));
  }
  SUBCASE("to a file that appends") {
    const zc::fd target = support::open_file(first, O_WRONLY | O_APPEND);
    CHECK(run_program({"cat", second}, {.out = target.get()}).code == 0);
    const std::string all = file_contents(first);
    CHECK(all.size() == 370'000);
    CHECK(support::are_bytes_at(all, 0));
  }
  SUBCASE("from a pipe to a pipe") {
    support::ends in = support::make_pipe();
    support::ends out = support::make_pipe();
    program cat({"cat"}, {.in = in.first.get(), .out = out.second.get()});
    in.first = zc::fd();
    out.second = zc::fd();
    std::thread writer([&in] {
      support::write_all(in.second.get(), support::bytes_at(0, 1 << 20));
      in.second = zc::fd();
    });
    const std::string all = support::read_all(out.first.get());
    writer.join();
    CHECK(all.size() == 1 << 20);
    CHECK(support::are_bytes_at(all, 0));
    CHECK(cat.finish().code == 0);
  }
  SUBCASE("a file that is not there is said, and the rest goes on") {
    const program::result done = run_program({"cat", at.path() / "none", first});
    CHECK(done.code == 1);
    CHECK(done.err.find("No such file") != std::string::npos);
    CHECK(done.out.size() == 300'000);
  }
  SUBCASE("standard input from where it stands") {
    const zc::fd in = support::open_file(first, O_RDONLY);
    ::lseek(in.get(), 1000, SEEK_SET);
    const program::result done = run_program({"cat", "-"}, {.in = in.get()});
    CHECK(done.code == 0);
    CHECK(done.out.size() == 299'000);
    CHECK(support::are_bytes_at(done.out, 1000));
  }
}

TEST_CASE("examples/cat: where nobody reads any more it ends as cat(1) does, without a word") {
  const support::temporary_directory at;
  make_file(at.path() / "file", support::bytes_at(0, 300'000));
  const std::string file = at.path() / "file";
  support::ends pipe = support::make_pipe();
  pipe.first = zc::fd();
  const program::result done = run_program({"cat", file, file}, {.out = pipe.second.get()});
  CHECK(done.code == 128 + SIGPIPE);
  CHECK(done.err == "");

  // And where that signal is ignored, with one.
  const auto before = ::signal(SIGPIPE, SIG_IGN);
  const program::result ignored = run_program({"cat", file, file}, {.out = pipe.second.get()});
  ::signal(SIGPIPE, before);
  CHECK(ignored.code == 1);
  CHECK(ignored.err.find("Broken pipe") != std::string::npos);
}

TEST_CASE("examples/cat: an output that takes no more is said once") {
  const support::temporary_directory at;
  make_file(at.path() / "file", support::bytes_at(0, 300'000));
  const std::string file = at.path() / "file";
  const zc::fd full = support::open_file("/dev/full", O_WRONLY);
  const program::result done = run_program({"cat", file, file}, {.out = full.get()});
  CHECK(done.code == 1);
  const std::string what = "No space left";
  CHECK(done.err.find(what) != std::string::npos);
  CHECK(done.err.find(what) == done.err.rfind(what));
}

TEST_CASE("examples/cat: to a terminal") {
  const support::temporary_directory at;
  make_file(at.path() / "text", "a line\n");
  const support::ends terminal = support::pty_pair();
  CHECK(run_program({"cat", at.path() / "text"}, {.out = terminal.second.get()}).code == 0);
  std::string shown(7, '\0');
  CHECK(::read(terminal.first.get(), shown.data(), shown.size()) == 7);
  CHECK(shown == "a line\n");
}

TEST_CASE("examples/serve_file: everyone who connects gets the whole file") {
  const support::temporary_directory at;
  make_file(at.path() / "file", support::bytes_at(0, 5'000'000));
  program server({"serve_file", at.path() / "file", "127.0.0.1:0"});
  std::vector<zc::fd> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(support::reach(server.address()));
  // The first leaves early: that is nobody else's affair.
  support::reset_on_close(clients.front().get());
  clients.erase(clients.begin());
  // What a client sends is not asked for, and costs it nothing.
  support::write_all(clients.front().get(), "GET / HTTP/1.0\r\n\r\n");
  // Asked to end it serves first those who are there.
  std::string begun(1, '\0');
  for (const zc::fd& each : clients) {
    REQUIRE(::recv(each.get(), begun.data(), 1, MSG_PEEK) == 1);
  }
  server.signal(SIGTERM);
  for (const zc::fd& each : clients) {
    const std::string got = support::read_all(each.get());
    CHECK(got.size() == 5'000'000);
    CHECK(support::are_bytes_at(got, 0));
  }
  clients.clear();
  CHECK(server.finish().code == 0);
}

TEST_CASE("examples/serve_file: ends at once where nobody is being served") {
  const support::temporary_directory at;
  make_file(at.path() / "file", "some text");
  program server({"serve_file", at.path() / "file", "[::1]:0"});
  {
    const zc::fd client = support::reach(server.address());
    CHECK(support::read_all(client.get()) == "some text");
  }
  server.signal(SIGINT);
  CHECK(server.finish().code == 0);
}

TEST_CASE("examples/capabilities: names the kernel") {
  const program::result done = run_program({"capabilities"});
  CHECK(done.code == 0);
  CHECK(done.out.rfind("kernel: ", 0) == 0);
  CHECK(done.out.find("SPLICE") != std::string::npos);
}

TEST_SUITE_END();
