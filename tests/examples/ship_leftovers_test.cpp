#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "../examples/ship/wire.hpp"
#include "examples/program.hpp"
#include "examples/ship_peer.hpp"
#include "examples/ship_support.hpp"
#include "support/descriptors.hpp"

// What a receiver leaves that was killed.

TEST_SUITE_BEGIN("kernel");

namespace fs = std::filesystem;
namespace wire = ship::wire;

namespace {

using support::frame;
using support::make_file;
using support::peer;
using support::program;
using support::run_program;

std::vector<std::string> leftovers(const fs::path& top) {
  std::vector<std::string> found;
  for (const auto& each : fs::recursive_directory_iterator(top)) {
    if (each.path().filename().string().starts_with(".ship-")) found.push_back(each.path());
  }
  return found;
}

mode_t mode_of(const fs::path& path) {
  struct stat about {};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  return about.st_mode & 07777;
}

wire::item directory(const std::string& path, std::uint32_t mode) {
  wire::item one;
  one.path = path;
  one.mode = mode;
  return one;
}

/// A sender that has begun: directories of all kinds, and half a file in each.
void begin(peer& sender) {
  sender.greet();
  for (const wire::item& each :
       {directory("open", 0755), directory("shared", 02775), directory("shut", 0555)}) {
    sender.say(frame(wire::kind::directory, each));
    CHECK(sender.hear_result().status == 0);
  }
  sender.say(support::whole_file("shut/whole", "contents"));
  CHECK(sender.hear_result().status == 0);
  sender.say(frame(wire::kind::file, support::file_item("shut/half", 2'000'000), 1'000'000));
  sender.say(std::string(1000, 'x'));
}

void wait_for_leftovers(const fs::path& top, std::size_t count) {
  for (int i = 0; i < 2000 && leftovers(top).size() < count; ++i) ::usleep(5000);
  REQUIRE(leftovers(top).size() == count);
}

}  // namespace

TEST_CASE("examples/ship: what a killed receiver leaves, the next one in its directory clears up") {
  const support::temporary_directory at;
  const fs::path into = at.path() / "into";
  make_file(at.path() / "file", "contents\n");
  {
    program killed({"ship", "receive", "127.0.0.1:0", into});
    peer sender(killed.address());
    begin(sender);
    // The half file, and what says whose it is.
    wait_for_leftovers(into, 2);
    killed.signal(SIGKILL);
    CHECK(killed.finish().code == 128 + SIGKILL);
  }
  CHECK(leftovers(into).size() == 2);
  CHECK(mode_of(into / "open") == 0755);
  // A name like those, that is none.
  make_file(into / "open" / ".ship-of-state", "user's");
  const std::string foreign = ".ship-0123456789abcdef-1";
  make_file(into / foreign, "of a receiver that nothing is known of");

  program next({"ship", "receive", "127.0.0.1:0", into});
  CHECK(run_program({"ship", "send", next.address(), at.path() / "file"}).code == 0);
  const program::result received = next.finish();
  CHECK(received.code == 0);
  CHECK(received.err == "ship: removed 1 files that a receiver had left unfinished\n");
  CHECK(leftovers(into).size() == 2);
  CHECK(fs::exists(into / "open" / ".ship-of-state"));
  CHECK(fs::exists(into / foreign));
  CHECK(mode_of(into / "open") == 0755);
  CHECK((mode_of(into / "shared") & 0777) == 0775);
  CHECK(mode_of(into / "shut") == 0555);
  CHECK(fs::exists(into / "shut" / "whole"));
  fs::permissions(into / "shut", fs::perms(0755));
}

TEST_CASE("examples/ship: what a living receiver uses is nobody else's to clear up") {
  const support::temporary_directory at;
  const fs::path into = at.path() / "into";
  make_file(at.path() / "file", "contents\n");
  program living({"ship", "receive", "127.0.0.1:0", into});
  peer sender(living.address());
  begin(sender);
  wait_for_leftovers(into, 2);

  program other({"ship", "receive", "127.0.0.1:0", into});
  CHECK(run_program({"ship", "send", other.address(), at.path() / "file"}).code == 0);
  const program::result received = other.finish();
  CHECK(received.code == 0);
  CHECK(received.err == "");
  CHECK(leftovers(into).size() == 2);

  std::string rest(999'000, 'x');
  wire::append(rest, wire::kind::data, 1'000'000);
  rest += std::string(1'000'000, 'x');
  wire::append(rest, wire::kind::end, wire::outcome{});
  sender.say(rest);
  CHECK(sender.hear_result().status == 0);
  sender.hang_up();
  CHECK(living.finish().code == 1);
  CHECK(fs::file_size(into / "shut" / "half") == 2'000'000);
  CHECK(leftovers(into).empty());
}

TEST_CASE("examples/ship: directories have their modes also where the sender hangs up") {
  const support::temporary_directory at;
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  peer sender(receiver.address());
  begin(sender);
  sender.hang_up();
  CHECK(receiver.finish().code == 1);
  CHECK(mode_of(at.path() / "into" / "open") == 0755);
  CHECK(mode_of(at.path() / "into" / "shut") == 0555);
  CHECK(leftovers(at.path() / "into").empty());
  fs::permissions(at.path() / "into" / "shut", fs::perms(0755));
}

TEST_CASE("examples/ship: what a receiver has unfinished is not sent on, and not taken") {
  const support::temporary_directory at;
  const std::string name = ".ship-0123456789abcdef";
  fs::create_directory(at.path() / "tree");
  make_file(at.path() / "tree" / name, "0777 .");
  make_file(at.path() / "tree" / (name + "-12"), "half a file");
  make_file(at.path() / "tree" / ".ship-of-state", "whole");
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into", "--keep"});
  CHECK(run_program({"ship", "send", receiver.address(), at.path() / "tree"}).code == 0);
  CHECK(fs::exists(at.path() / "into" / "tree" / ".ship-of-state"));
  CHECK(!fs::exists(at.path() / "into" / "tree" / name));
  CHECK(!fs::exists(at.path() / "into" / "tree" / (name + "-12")));

  const program::result named =
      run_program({"ship", "send", receiver.address(), at.path() / "tree" / name});
  CHECK(named.code == 1);
  CHECK(named.err.find("is a receiver's temporary file") != std::string::npos);
  peer hostile(receiver.address());
  hostile.greet();
  hostile.say(support::whole_file(name, "0777 ."));
  CHECK(hostile.is_hung_up());
  hostile.hang_up();
  receiver.signal(SIGTERM);
  CHECK(receiver.finish().code == 130);
  CHECK(!fs::exists(at.path() / "into" / name));
}

TEST_SUITE_END();
