#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include <filesystem>
#include <string>

#include "../examples/ship/wire.hpp"
#include "examples/program.hpp"
#include "examples/ship_peer.hpp"
#include "examples/ship_support.hpp"
#include "support/descriptors.hpp"

TEST_SUITE_BEGIN("kernel");

namespace fs = std::filesystem;
namespace wire = ship::wire;

namespace {

using support::file_item;
using support::frame;
using support::peer;
using support::program;
using support::small_files;
using support::whole_file;

}  // namespace

TEST_CASE("examples/ship: who does not greet properly is turned away, and others are served") {
  const support::temporary_directory at;
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  const std::string address = receiver.address();

  peer stranger(address);
  stranger.say("GET / HTTP/1.1\r\nHost: somewhere.example\r\nAccept: */*\r\n\r\n");
  CHECK(stranger.is_hung_up());

  wire::hello hello;
  hello.connections = 1;
  std::string bytes;
  wire::append(bytes, hello);
  bytes[8] = 9;
  peer newer(address);
  newer.say(bytes);
  CHECK(newer.hear(wire::welcome_size_bytes).size() == wire::welcome_size_bytes);
  CHECK(newer.is_hung_up());

  peer silent(address);
  const program::result sent = support::run_program({"ship", "send", address, "/etc/hostname"});
  CHECK(sent.err == "");
  CHECK(sent.code == 0);
  CHECK(receiver.finish().code == 0);
  CHECK(fs::exists(at.path() / "into" / "hostname"));
}

TEST_CASE("examples/ship: a second sender is told that the receiver is busy") {
  const support::temporary_directory at;
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  const std::string address = receiver.address();
  peer first(address);
  first.greet();
  first.say(whole_file("first", "contents"));
  CHECK(first.hear_result().status == 0);
  const program::result second = support::run_program({"ship", "send", address, "/etc/hostname"});
  CHECK(second.code == 1);
  CHECK(second.err.find("busy") != std::string::npos);
  first.say(whole_file("file", "contents"));
  CHECK(first.hear_result().status == 0);
  std::string bye;
  wire::append(bye, wire::kind::bye);
  first.say(bye);
  CHECK(first.hear_result().status == 0);
  CHECK(receiver.finish().code == 0);
}

TEST_CASE("examples/ship: frames that break the rules end the session, and leave nothing") {
  const support::temporary_directory at;
  fs::create_directory(at.path() / "into");
  std::string bad;
  SUBCASE("a path with ..") { bad = whole_file("../escaped", "x"); }
  SUBCASE("a path with .. inside") { bad = whole_file("a/../../escaped", "x"); }
  SUBCASE("an absolute path") { bad = whole_file(at.path() / "escaped", "x"); }
  SUBCASE("a small file with ..") { bad = small_files({{file_item("../escaped", 1), "x"}}); }
  SUBCASE("a small file with .. behind a good one") {
    bad = small_files({{file_item("good", 1), "x"}, {file_item("../escaped", 1), "x"}});
  }
  SUBCASE("a small file longer than its frame") {
    bad = small_files({{file_item("file", 10), "x"}});
  }
  SUBCASE("no small files") { bad = small_files({}); }
  SUBCASE("a directory with ..") { bad = frame(wire::kind::directory, file_item("../escaped")); }
  SUBCASE("attributes of ..") { bad = frame(wire::kind::attributes, file_item("..")); }
  SUBCASE("a link with ..") { bad = frame(wire::kind::link, file_item("../escaped")); }
  SUBCASE("a payload too long") {
    bad = frame(wire::kind::file, file_item("file"));
    bad[7] = '\x7f';
  }
  SUBCASE("a body too long") {
    bad = frame(wire::kind::file, file_item("file", 1 << 30), wire::body_limit_bytes + 1);
  }
  SUBCASE("a body longer than the file") {
    bad = frame(wire::kind::file, file_item("file", 10), 11);
  }
  SUBCASE("a file too long for any disk") {
    bad = frame(wire::kind::file, file_item("file", wire::size_limit_bytes + 1), 1);
  }
  SUBCASE("a hole longer than the file") {
    bad = frame(wire::kind::file, file_item("file", 10));
    wire::append_hole(bad, 11);
  }
  SUBCASE("a hole without a file") { wire::append_hole(bad, 1); }
  SUBCASE("an unknown kind") {
    bad = frame(wire::kind::file, file_item("file"));
    bad[0] = 99;
  }
  SUBCASE("data without a file") { wire::append(bad, wire::kind::data, 1); }
  SUBCASE("a file in a file") {
    bad = frame(wire::kind::file, file_item("file", 2), 1) + "x" + whole_file("other", "x");
  }
  SUBCASE("a file shorter than it said") {
    bad = frame(wire::kind::file, file_item("file", 2), 1) + "x";
    wire::append(bad, wire::kind::end, wire::outcome{});
  }
  REQUIRE(!bad.empty());
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into", "--keep"});
  peer hostile(receiver.address());
  hostile.greet();
  hostile.say(bad);
  CHECK(hostile.is_hung_up());
  hostile.hang_up();
  CHECK(support::run_program({"ship", "send", receiver.address(), "/etc/hostname"}).code == 0);
  fs::remove(at.path() / "into" / "hostname");
  receiver.signal(SIGTERM);
  CHECK(receiver.finish().code == 130);
  CHECK(fs::is_empty(at.path() / "into"));
  CHECK(!fs::exists(at.path() / "escaped"));
}

TEST_CASE("examples/ship: a sender that hangs up in the middle of a file leaves nothing") {
  const support::temporary_directory at;
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  peer hostile(receiver.address());
  hostile.greet();
  hostile.say(frame(wire::kind::file, file_item("file", 1000), 1000) + "some");
  hostile.hang_up();
  CHECK(receiver.finish().code == 1);
  CHECK(fs::is_empty(at.path() / "into"));
}

TEST_CASE("examples/ship: no path leads out through a symbolic link") {
  const support::temporary_directory at;
  fs::create_directory(at.path() / "outside");
  fs::create_directory(at.path() / "into");
  fs::create_directory(at.path() / "into" / "inside");
  fs::create_directory_symlink(at.path() / "outside", at.path() / "into" / "out");
  fs::create_directory_symlink("inside", at.path() / "into" / "in");
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  peer hostile(receiver.address());
  hostile.greet();
  wire::item own = file_item("own");
  own.target = "../outside";
  hostile.say(frame(wire::kind::link, own));
  CHECK(hostile.hear_result().status == 0);
  for (const std::string link : {"out", "in", "own"}) {
    CAPTURE(link);
    hostile.say(whole_file(link + "/evil", "x"));
    CHECK(hostile.hear_result().status == ELOOP);
    hostile.say(small_files({{file_item(link + "/evil", 1), "x"}, {file_item("good", 1), "x"}}));
    CHECK(hostile.hear_result().status == ELOOP);
    CHECK(hostile.hear_result().status == 0);
    hostile.say(frame(wire::kind::directory, file_item(link + "/evil")));
    CHECK(hostile.hear_result().status == ELOOP);
    hostile.say(frame(wire::kind::directory, file_item(link)));
    CHECK(hostile.hear_result().status != 0);
    hostile.say(frame(wire::kind::attributes, file_item(link)));
    CHECK(hostile.hear_result().status != 0);
  }
  // A file takes the place of a link: what the link points to stays as it is.
  hostile.say(whole_file("own", "a file now"));
  CHECK(hostile.hear_result().status == 0);
  std::string bye;
  wire::append(bye, wire::kind::bye);
  hostile.say(bye);
  CHECK(hostile.hear_result().status == 0);
  CHECK(receiver.finish().code == 1);
  CHECK(fs::is_empty(at.path() / "outside"));
  CHECK(fs::is_empty(at.path() / "into" / "inside"));
  CHECK(fs::is_regular_file(fs::symlink_status(at.path() / "into" / "own")));
}

TEST_CASE("examples/ship: set-user-id is not taken over") {
  const support::temporary_directory at;
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  peer sender(receiver.address());
  sender.greet();
  wire::item about = file_item("file");
  about.mode = 06755;
  std::string bytes = frame(wire::kind::file, about);
  wire::append(bytes, wire::kind::end, wire::outcome{});
  about.path = "small";
  bytes += small_files({{about, ""}});
  wire::append(bytes, wire::kind::bye);
  sender.say(bytes);
  CHECK(sender.hear_result().status == 0);
  CHECK(sender.hear_result().status == 0);
  CHECK(sender.hear_result().status == 0);
  CHECK(receiver.finish().code == 0);
  CHECK(fs::status(at.path() / "into" / "file").permissions() == fs::perms(0755));
  CHECK(fs::status(at.path() / "into" / "small").permissions() == fs::perms(0755));
}

TEST_SUITE_END();
