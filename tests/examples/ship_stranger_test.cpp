#include <doctest/doctest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "examples/program.hpp"
#include "examples/ship_peer.hpp"
#include "examples/ship_support.hpp"
#include "support/descriptors.hpp"
#include "support/process.hpp"

// Who connects to a receiver and is not the sender that it waits for.

TEST_SUITE_BEGIN("kernel");

namespace fs = std::filesystem;
namespace wire = ship::wire;

namespace {

using support::file_item;
using support::frame;
using support::peer;
using support::program;
using support::run_program;
using support::whole_file;

void check_that_one_is_served(program& receiver, const fs::path& into) {
  const program::result sent = run_program({"ship", "send", receiver.address(), "/etc/hostname"});
  CHECK(sent.err == "");
  CHECK(sent.code == 0);
  const program::result received = receiver.finish();
  CHECK(received.code == 0);
  CHECK(received.out.find("failures: 0") != std::string::npos);
  CHECK(fs::exists(into / "hostname"));
}

}  // namespace

TEST_CASE("examples/ship: a stranger neither ends a receive nor keeps the sender out") {
  const support::temporary_directory at;
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  peer stranger(receiver.address());
  stranger.greet('s');
  SUBCASE("who greets and is silent") {}
  SUBCASE("who greets and leaves") { stranger.hang_up(); }
  SUBCASE("who says something that makes no sense") {
    stranger.say(std::string(100, 'x'));
    CHECK(stranger.is_hung_up());
  }
  SUBCASE("who wants to put things elsewhere") {
    stranger.say(frame(wire::kind::directory, file_item("../escaped")));
    CHECK(stranger.is_hung_up());
  }
  SUBCASE("who goes on about nothing") {
    std::string nothing;
    wire::append(nothing, wire::kind::checkpoint);
    stranger.say(nothing);
    CHECK(stranger.hear_result().status == 0);
  }
  check_that_one_is_served(receiver, at.path() / "into");
}

TEST_CASE("examples/ship: 600 idle connections do not keep the sender out") {
  const support::temporary_directory at;
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  const std::string address = receiver.address();
  std::vector<std::unique_ptr<peer>> idle;
  for (int i = 0; i < 600; ++i) idle.push_back(std::make_unique<peer>(address));
  // The oldest had to make room.
  CHECK(idle.front()->is_hung_up());
  check_that_one_is_served(receiver, at.path() / "into");
}

TEST_CASE("examples/ship: who has come first is served, and who comes then is told") {
  const support::temporary_directory at;
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  peer first(receiver.address());
  first.greet('f');
  peer late(receiver.address());
  late.greet('l');
  first.say(whole_file("file", "contents"));
  CHECK(first.hear_result().status == 0);
  CHECK(late.is_hung_up());
  std::string bye;
  wire::append(bye, wire::kind::bye);
  first.say(bye);
  CHECK(first.hear_result().status == 0);
  first.hang_up();
  CHECK(receiver.finish().code == 0);
}

TEST_CASE("examples/ship: a sender that falls silent is given up, and both are told why") {
  const support::temporary_directory at;
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into", "--idle-timeout", "0.3"});
  peer silent(receiver.address());
  silent.greet();
  SUBCASE("between files") { silent.say(whole_file("whole", "contents")); }
  SUBCASE("in the middle of a file") {
    silent.say(whole_file("whole", "contents"));
    silent.say(frame(wire::kind::file, file_item("file", 1000), 1000) + "some");
  }
  CHECK(silent.hear_result().status == 0);
  CHECK(silent.is_hung_up());
  silent.hang_up();
  const program::result received = receiver.finish();
  CHECK(received.code == 1);
  CHECK(received.err.rfind("ship: connection from 127.0.0.1:", 0) == 0);
  CHECK(received.err.find(": nothing came for 1 s\n") != std::string::npos);
  CHECK(fs::exists(at.path() / "into" / "whole"));
  CHECK(!fs::exists(at.path() / "into" / "file"));
}

TEST_CASE("examples/ship: one busy connection of a session speaks for the idle ones") {
  const support::temporary_directory at;
  // At 8 MiB each: the others have nothing to do meanwhile.
  support::make_file(at.path() / "large", std::string(40 << 20, 'x'));
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into", "--idle-timeout", "0.3"});
  const program::result sent =
      run_program({"ship", "send", receiver.address(), at.path() / "large"});
  CHECK(sent.code == 0);
  CHECK(receiver.finish().code == 0);
}

TEST_CASE("examples/ship: the words with which a receiver turns somebody away arrive") {
  const support::temporary_directory at;
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  wire::hello hello;
  hello.connections = 1;
  std::string bytes;
  wire::append(bytes, hello);
  bytes[8] = 9;
  peer newer(receiver.address());
  // More than is read of it: a plain close would reset the connection.
  newer.say(bytes + std::string(100'000, 'x'));
  CHECK(newer.hear(wire::welcome_size_bytes).size() == wire::welcome_size_bytes);
  CHECK(newer.is_hung_up());
  check_that_one_is_served(receiver, at.path() / "into");
}

TEST_SUITE_END();
