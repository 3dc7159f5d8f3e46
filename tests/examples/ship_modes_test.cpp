#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>

#include "../examples/ship/claim.hpp"
#include "../examples/ship/wire.hpp"
#include "examples/program.hpp"
#include "examples/ship_peer.hpp"
#include "support/descriptors.hpp"
#include "support/process.hpp"

// The modes that directories have in the end.

TEST_SUITE_BEGIN("kernel");

namespace fs = std::filesystem;
namespace wire = ship::wire;

namespace {

using support::peer;
using support::program;

mode_t mode_of(const fs::path& path) {
  struct stat about {};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  return about.st_mode & 07777;
}

void send_directory(peer& by, wire::kind kind, const std::string& path, std::uint32_t mode) {
  wire::item one;
  one.path = path;
  one.mode = mode;
  by.say(support::frame(kind, one));
  CHECK(by.hear_result().status == 0);
}

/// The only one in a directory, by its path.
fs::path claim_in(const fs::path& top) {
  for (const auto& each : fs::directory_iterator(top)) {
    if (each.path().filename().string().starts_with(".ship-")) return each.path();
  }
  return {};
}

}  // namespace

TEST_CASE("examples/ship: directories inside one that is shut in the end have their modes too") {
  const support::temporary_directory at;
  const fs::path into = at.path() / "into";
  program receiver({"ship", "receive", "127.0.0.1:0", into}, {.obeys_permissions = true});
  peer sender(receiver.address());
  sender.greet();
  send_directory(sender, wire::kind::directory, "a", 0600);
  send_directory(sender, wire::kind::directory, "a/b", 0500);
  send_directory(sender, wire::kind::directory, "a/b/c", 0555);
  SUBCASE("where the sender hangs up") {
    sender.hang_up();
    CHECK(receiver.finish().code == 1);
  }
  SUBCASE("where the receiver is killed") {
    receiver.signal(SIGKILL);
    CHECK(receiver.finish().code == 128 + SIGKILL);
    program next({"ship", "receive", "127.0.0.1:0", into}, {.obeys_permissions = true});
    CHECK(!next.address().empty());
    next.signal(SIGTERM);
    CHECK(next.finish().code == 130);
  }
  CHECK(mode_of(into / "a") == 0600);
  REQUIRE(::chmod((into / "a").c_str(), 0700) == 0);
  CHECK(mode_of(into / "a" / "b") == 0500);
  CHECK(mode_of(into / "a" / "b" / "c") == 0555);
  for (const char* each : {"a/b", "a/b/c"}) REQUIRE(::chmod((into / each).c_str(), 0700) == 0);
}

TEST_CASE("ship: a mode that the disk has no room to note costs no other") {
  const support::temporary_directory at;
  for (const char* each : {"first", "second", "third"}) fs::create_directory(at.path() / each);
  const mode_t before = mode_of(at.path() / "second");
  const zc::fd root = support::open_file(at.path(), O_RDONLY | O_DIRECTORY);
  ship::claim owing(root.get());
  CHECK(!owing.owe_mode("first", 0511));
  std::error_code failed;
  auto* const handler = ::signal(SIGXFSZ, SIG_IGN);
  {
    // Half of a record has room.
    const support::limit room(RLIMIT_FSIZE, fs::file_size(claim_in(at.path())) + 6);
    failed = owing.owe_mode("second", 0511);
  }
  ::signal(SIGXFSZ, handler);
  CHECK(failed == std::errc::file_too_large);
  CHECK(!owing.owe_mode("third", 0511));
  // What a killed one would leave.
  fs::copy_file(claim_in(at.path()), at.path() / ".ship-0123456789abcdef");
  ship::clean_up_after_the_dead(root.get());
  CHECK(!fs::exists(at.path() / ".ship-0123456789abcdef"));
  CHECK(mode_of(at.path() / "first") == 0511);
  CHECK(mode_of(at.path() / "second") == before);
  CHECK(mode_of(at.path() / "third") == 0511);
}

TEST_CASE(
    "examples/ship: a directory has the mode that it was given last, whoever else is served") {
  const support::temporary_directory at;
  const fs::path into = at.path() / "into";
  program receiver({"ship", "receive", "127.0.0.1:0", into, "--keep"});
  // While it is there, what is owed stays so.
  peer other(receiver.address());
  other.greet('o');
  peer earlier(receiver.address());
  earlier.greet('e');
  mode_t expected = 0755;
  SUBCASE("by the same sender") {
    send_directory(earlier, wire::kind::directory, "directory", 0555);
    send_directory(earlier, wire::kind::attributes, "directory", 0555);
    // As somebody on this machine may.
    REQUIRE(::chmod((into / "directory").c_str(), expected) == 0);
  }
  SUBCASE("by a later sender") {
    send_directory(earlier, wire::kind::directory, "directory", 0555);
    peer later(receiver.address());
    later.greet('l');
    send_directory(later, wire::kind::directory, "directory", expected);
    send_directory(later, wire::kind::attributes, "directory", expected);
  }
  SUBCASE("by a later sender that hangs up before") {
    send_directory(earlier, wire::kind::directory, "directory", 0555);
    peer later(receiver.address());
    later.greet('l');
    send_directory(later, wire::kind::directory, "directory", expected);
  }
  SUBCASE("by an earlier sender that is the last to end") {
    send_directory(earlier, wire::kind::directory, "directory", 0555);
    peer later(receiver.address());
    later.greet('l');
    send_directory(later, wire::kind::directory, "directory", 0711);
    send_directory(later, wire::kind::attributes, "directory", 0711);
    expected = 0511;
    send_directory(earlier, wire::kind::attributes, "directory", expected);
  }
  SUBCASE("where the receiver is killed") {
    send_directory(earlier, wire::kind::directory, "shut", 0555);
    send_directory(earlier, wire::kind::directory, "directory", 0555);
    send_directory(earlier, wire::kind::attributes, "directory", 0555);
    REQUIRE(::chmod((into / "directory").c_str(), expected) == 0);
    receiver.signal(SIGKILL);
    CHECK(receiver.finish().code == 128 + SIGKILL);
    program next({"ship", "receive", "127.0.0.1:0", into});
    CHECK(!next.address().empty());
    next.signal(SIGTERM);
    CHECK(next.finish().code == 130);
    CHECK(mode_of(into / "shut") == 0555);
    CHECK(mode_of(into / "directory") == expected);
    return;
  }
  other.hang_up();
  earlier.hang_up();
  receiver.signal(SIGTERM);
  CHECK(receiver.finish().code == 130);
  CHECK(mode_of(into / "directory") == expected);
}

TEST_SUITE_END();
