#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "examples/program.hpp"
#include "examples/ship_support.hpp"
#include "support/descriptors.hpp"

TEST_SUITE_BEGIN("kernel");

namespace fs = std::filesystem;

namespace {

using support::make_file;
using support::program;
using support::run_program;
using support::tree_at;

constexpr std::uint64_t mebibyte = 1 << 20;

void set_time(const fs::path& path, long seconds, long nanoseconds) {
  const timespec times[2] = {{0, UTIME_OMIT}, {seconds, nanoseconds}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

/// A bit of everything.
void make_tree(const fs::path& top) {
  fs::create_directories(top / "sub dir" / "deeper");
  fs::create_directory(top / "empty directory");
  make_file(top / "empty", "");
  make_file(top / "a name with spaces", "spaces\n");
  make_file(top / "a name\nwith\nnewlines", "newlines\n");
  make_file(top / "sub dir" / "large", support::bytes_at(0, 20 * mebibyte + 12345));
  make_file(top / "sub dir" / "deeper" / "not \xff utf-8", "x");
  for (int i = 0; i < 200; ++i) {
    make_file(top / "sub dir" / "deeper" / std::to_string(i),
              support::bytes_at(0, static_cast<std::size_t>(i) * 97, static_cast<unsigned>(i)));
  }
  fs::create_symlink("sub dir/large", top / "link");
  fs::create_symlink("/nowhere/at all", top / "dangling link");
  fs::create_directory_symlink("sub dir", top / "link to a directory");
  REQUIRE(::chmod((top / "empty").c_str(), 0400) == 0);
  REQUIRE(::chmod((top / "sub dir" / "large").c_str(), 0751) == 0);
  REQUIRE(::chmod((top / "empty directory").c_str(), 0555) == 0);
  set_time(top / "empty", 1, 1);
  set_time(top / "sub dir" / "large", 1'600'000'000, 123'456'789);
  set_time(top / "link", 1'500'000'000, 987'654'321);
  set_time(top / "sub dir" / "deeper", 1'400'000'000, 5);
  set_time(top / "sub dir", 1'300'000'000, 999'999'999);
  set_time(top / "empty directory", 1'200'000'000, 7);
  set_time(top, 1'100'000'000, 3);
}

bool has_leftovers(const fs::path& top) {
  for (const auto& each : fs::recursive_directory_iterator(top)) {
    if (each.path().filename().string().rfind(".ship-", 0) == 0) return true;
  }
  return false;
}

bool mentions(const program::result& done, std::string_view text) {
  return done.err.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("examples/ship: a tree arrives as it is") {
  const support::temporary_directory at;
  make_tree(at.path() / "tree");
  for (const char* connections : {"1", "3", "8", "64"}) {
    CAPTURE(connections);
    const fs::path into = at.path() / (std::string("into ") + connections);
    program receiver({"ship", "receive", "127.0.0.1:0", into});
    const program::result sent = run_program(
        {"ship", "send", receiver.address(), at.path() / "tree", "--connections", connections});
    const program::result received = receiver.finish();
    CHECK(sent.code == 0);
    CHECK(sent.err == "");
    CHECK(received.code == 0);
    CHECK(received.err == "");
    const bool same = tree_at(into / "tree") == tree_at(at.path() / "tree");
    CHECK(same);
    struct stat top {};
    REQUIRE(::stat((into / "tree").c_str(), &top) == 0);
    CHECK(top.st_mtim.tv_sec == 1'100'000'000);
  }
}

TEST_CASE("examples/ship: several paths, DIR/. and what is there already") {
  const support::temporary_directory at;
  make_tree(at.path() / "tree");
  make_file(at.path() / "single", "one file\n");
  fs::create_directory(at.path() / "into");
  make_file(at.path() / "into" / "single", "an older one, and longer\n");
  fs::create_symlink("/nowhere", at.path() / "into" / "empty");
  for (int round = 0; round < 2; ++round) {
    program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into", "--durable"});
    const program::result sent = run_program(
        {"ship", "send", receiver.address(), at.path() / "tree" / ".", at.path() / "single"});
    CHECK(sent.code == 0);
    CHECK(sent.err == "");
    CHECK(receiver.finish().code == 0);
  }
  auto expected = tree_at(at.path() / "tree");
  auto single = tree_at(at.path() / "into");
  CHECK(single.count("single") == 1);
  CHECK(single["single"].find("one file\n") != std::string::npos);
  single.erase("single");
  const bool same = single == expected;
  CHECK(same);
  CHECK(run_program(
            {"ship", "send", "127.0.0.1:1", at.path() / "single", at.path() / "into" / "single"})
            .code == 2);
}

TEST_CASE("examples/ship: the summary for programs") {
  const support::temporary_directory at;
  make_tree(at.path() / "tree");
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into", "--json"});
  const program::result sent =
      run_program({"ship", "send", "--json", receiver.address(), at.path() / "tree"});
  const program::result received = receiver.finish();
  for (const program::result* each : {&sent, &received}) {
    CHECK(each->code == 0);
    CHECK(each->out.find("{\"files\":205,\"directories\":4,\"links\":3,\"bytes\":") !=
          std::string::npos);
    CHECK(each->out.find("\"failed\":0,\"failures\":[]}\n") != std::string::npos);
    for (const char* key : {"seconds", "cpu_seconds", "cpu_seconds_per_gb", "routes"}) {
      CHECK(each->out.find("\"" + std::string(key) + "\":") != std::string::npos);
    }
    CHECK(each->out.find("\"copy\":0},\"whole\":204,") != std::string::npos);
  }
}

TEST_CASE("examples/ship: what cannot be read is said, and the rest arrives") {
  const support::temporary_directory at;
  fs::permissions(at.path(), fs::perms(0755));
  make_tree(at.path() / "tree");
  make_file(at.path() / "tree" / "secret", "secret\n");
  REQUIRE(::chmod((at.path() / "tree" / "secret").c_str(), 0) == 0);
  REQUIRE(::mkfifo((at.path() / "tree" / "fifo").c_str(), 0666) == 0);
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  const program::result sent =
      run_program({"ship", "send", receiver.address(), at.path() / "tree", at.path() / "none"});
  CHECK(sent.code == 1);
  CHECK(mentions(sent, "fifo: not a regular file"));
  CHECK(mentions(sent, "none: No such file"));
  receiver.finish();
  auto expected = tree_at(at.path() / "tree");
  expected.erase("fifo");
  auto arrived = tree_at(at.path() / "into" / "tree");
  // For root, nothing is secret.
  if (::geteuid() != 0) expected.erase("secret");
  const bool same = arrived == expected;
  CHECK(same);
}

TEST_CASE("examples/ship: a file that the user may not read is said, and the rest arrives") {
  const support::temporary_directory at;
  fs::permissions(at.path(), fs::perms(0755));
  fs::create_directory(at.path() / "tree");
  fs::permissions(at.path() / "tree", fs::perms(0755));
  make_file(at.path() / "tree" / "secret", "secret\n");
  make_file(at.path() / "tree" / "public", "public\n");
  REQUIRE(::chmod((at.path() / "tree" / "secret").c_str(), 0) == 0);
  REQUIRE(::chmod((at.path() / "tree" / "public").c_str(), 0644) == 0);
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  const program::result sent = run_program({"ship", "send", receiver.address(), at.path() / "tree"},
                                           {.obeys_permissions = true});
  CHECK(sent.code == 1);
  CHECK(mentions(sent, "tree/secret: Permission denied"));
  const program::result received = receiver.finish();
  CHECK(received.code == 1);
  CHECK(received.err == "ship: tree/secret: sender: Permission denied\n");
  CHECK(received.out.find("failures: 1") != std::string::npos);
  CHECK(fs::exists(at.path() / "into" / "tree" / "public"));
  CHECK(!fs::exists(at.path() / "into" / "tree" / "secret"));
}

TEST_CASE("examples/ship: a file that vanishes before its turn is said, and the rest arrives") {
  const support::temporary_directory at;
  make_tree(at.path() / "tree");
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  const support::middleman between(receiver.address(), [&](std::uint64_t forwarded) {
    if (forwarded == 0) fs::remove(at.path() / "tree" / "empty");
  });
  const program::result sent =
      run_program({"ship", "send", between.address(), at.path() / "tree", "--connections", "1"});
  CHECK(sent.code == 1);
  CHECK(mentions(sent, "tree/empty: No such file"));
  const program::result received = receiver.finish();
  CHECK(received.code == 1);
  CHECK(mentions(received, "tree/empty: sender: No such file"));
  CHECK(tree_at(at.path() / "into" / "tree").size() == tree_at(at.path() / "tree").size());
}

TEST_CASE("examples/ship: a file that changes while it is sent is not published") {
  const support::temporary_directory at;
  fs::create_directory(at.path() / "tree");
  const fs::path victim = at.path() / "tree" / "a victim";
  make_file(victim, std::string(70 * mebibyte, 'v'));
  make_file(at.path() / "tree" / "b", "after it\n");
  std::function<void()> change;
  SUBCASE("truncated to nothing") {
    change = [&] { fs::resize_file(victim, 0); };
  }
  SUBCASE("truncated within a page") {
    change = [&] { fs::resize_file(victim, 60 * mebibyte + 1234); };
  }
  SUBCASE("grown") {
    change = [&] { fs::resize_file(victim, 71 * mebibyte); };
  }
  bool changed = false;
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  const support::middleman between(receiver.address(), [&](std::uint64_t forwarded) {
    if (changed || forwarded < mebibyte) return;
    change();
    changed = true;
  });
  const program::result sent =
      run_program({"ship", "send", between.address(), at.path() / "tree", "--connections", "1"});
  const program::result received = receiver.finish();
  CHECK(sent.code == 1);
  CHECK(mentions(sent, "tree/a victim: "));
  CHECK(received.code == 1);
  CHECK(mentions(received, "tree/a victim: "));
  CHECK(!fs::exists(at.path() / "into" / "tree" / "a victim"));
  CHECK(fs::exists(at.path() / "into" / "tree" / "b"));
  CHECK(!has_leftovers(at.path() / "into"));
}

TEST_CASE("examples/ship: a full disk costs the files that do not fit") {
  if (!support::may_mount()) {
    MESSAGE("skipped: mounts are refused here");
    return;
  }
  const support::temporary_directory at;
  const support::small_filesystem small(16 * mebibyte);
  fs::create_directory(at.path() / "tree");
  make_file(at.path() / "tree" / "a", "before\n");
  make_file(at.path() / "tree" / "large", std::string(40 * mebibyte, 'x'));
  make_file(at.path() / "tree" / "z", support::bytes_at(0, 4 * mebibyte));
  program receiver({"ship", "receive", "127.0.0.1:0", small.path()});
  const program::result sent =
      run_program({"ship", "send", receiver.address(), at.path() / "tree", "--connections", "1"});
  const program::result received = receiver.finish();
  CHECK(sent.code == 1);
  CHECK(mentions(sent, "tree/large: receiver: No space left on device"));
  CHECK(received.code == 1);
  CHECK(mentions(received, "tree/large: No space left on device"));
  CHECK(!fs::exists(small.path() / "tree" / "large"));
  CHECK(!has_leftovers(small.path()));
  auto expected = tree_at(at.path() / "tree");
  expected.erase("large");
  const bool same = tree_at(small.path() / "tree") == expected;
  CHECK(same);
}

TEST_CASE("examples/ship: a receiver that is interrupted leaves no temporary file") {
  const support::temporary_directory at;
  fs::create_directory(at.path() / "tree");
  make_file(at.path() / "tree" / "large", std::string(70 * mebibyte, 'x'));
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  bool told = false;
  const support::middleman between(receiver.address(), [&](std::uint64_t forwarded) {
    if (told || forwarded < mebibyte) return;
    receiver.signal(SIGTERM);
    told = true;
  });
  const program::result sent =
      run_program({"ship", "send", between.address(), at.path() / "tree", "--connections", "1"});
  CHECK(sent.code == 1);
  CHECK(mentions(sent, " was lost: "));
  CHECK(receiver.finish().code == 130);
  CHECK(!fs::exists(at.path() / "into" / "tree" / "large"));
  CHECK(!has_leftovers(at.path() / "into"));
}

TEST_CASE("examples/ship: --keep serves one sender after another") {
  const support::temporary_directory at;
  make_tree(at.path() / "tree");
  make_file(at.path() / "single", "one file\n");
  program receiver({"ship", "receive", "localhost:0", at.path() / "into", "--keep"});
  const std::string address = receiver.address();
  CHECK(run_program({"ship", "send", address, at.path() / "tree"}).code == 0);
  CHECK(run_program({"ship", "send", address, at.path() / "single"}).code == 0);
  receiver.signal(SIGTERM);
  CHECK(receiver.finish().code == 130);
  CHECK(fs::exists(at.path() / "into" / "single"));
  const bool same = tree_at(at.path() / "into" / "tree") == tree_at(at.path() / "tree");
  CHECK(same);
}

TEST_CASE("examples/ship: nobody listens") {
  std::uint16_t port = 0;
  { const zc::fd gone = support::tcp_listener(port); }
  const program::result sent =
      run_program({"ship", "send", "127.0.0.1:" + std::to_string(port), "/etc/hostname"});
  CHECK(sent.code == 1);
  CHECK(mentions(sent, "Connection refused"));
}

TEST_SUITE_END();
