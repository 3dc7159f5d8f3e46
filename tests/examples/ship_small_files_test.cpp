#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>

#include "../examples/ship/wire.hpp"
#include "examples/process_view.hpp"
#include "examples/program.hpp"
#include "examples/ship_peer.hpp"
#include "examples/ship_support.hpp"
#include "support/descriptors.hpp"

// Files that travel whole, many in one frame.

TEST_SUITE_BEGIN("kernel");

namespace fs = std::filesystem;
namespace wire = ship::wire;

namespace {

using support::file_item;
using support::make_file;
using support::peer;
using support::program;
using support::run_program;
using support::small_files;

constexpr std::size_t mebibyte = 1 << 20;

void make_files(const fs::path& in, int count, std::size_t size) {
  fs::create_directory(in);
  for (int i = 0; i < count; ++i) {
    make_file(in / std::to_string(i), support::bytes_at(0, size, static_cast<unsigned>(i)));
  }
}

std::size_t count_files(const fs::path& in) {
  std::size_t count = 0;
  for (const auto& each : fs::recursive_directory_iterator(in)) count += each.is_regular_file();
  return count;
}

/// Whether one of make_files() is there, under the name that it is to have.
bool has_one_of(const fs::path& in) {
  std::error_code none;
  const fs::directory_iterator all(in, none);
  return std::any_of(begin(all), end(all), [](const auto& each) {
    return std::isdigit(static_cast<unsigned char>(each.path().filename().native().front())) != 0;
  });
}

bool says(const std::string& all, const std::string& text) {
  return all.find(text) != std::string::npos;
}

struct stat look_at(const fs::path& path) {
  struct stat about {};
  REQUIRE(::lstat(path.c_str(), &about) == 0);
  return about;
}

}  // namespace

TEST_CASE("examples/ship: small files arrive whole, on either side of the limit") {
  const support::temporary_directory at;
  fs::create_directory(at.path() / "tree");
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, wire::small_file_limit_bytes - 1,
                                 wire::small_file_limit_bytes, wire::small_file_limit_bytes + 1}) {
    make_file(at.path() / "tree" / std::to_string(size), support::bytes_at(0, size));
  }
  // More than one frame has room for, and what is replaced.
  make_files(at.path() / "tree" / "many", 50, 20'000);
  fs::create_directories(at.path() / "into" / "tree" / "many");
  make_file(at.path() / "into" / "tree" / "many" / "7", "an older one");
  fs::create_symlink("/nowhere", at.path() / "into" / "tree" / "many" / "8");
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into", "--json"});
  const program::result sent =
      run_program({"ship", "send", "--json", receiver.address(), at.path() / "tree"});
  const program::result received = receiver.finish();
  for (const program::result* each : {&sent, &received}) {
    CHECK(each->code == 0);
    CHECK(each->err == "");
    CHECK(says(each->out, "{\"files\":55,"));
    CHECK(says(each->out, "\"whole\":54,"));
  }
  const bool same = support::tree_at(at.path() / "into") == [&] {
    auto expected = support::tree_at(at.path());
    std::erase_if(expected, [](const auto& each) { return each.first.starts_with("into"); });
    return expected;
  }();
  CHECK(same);
}

TEST_CASE("examples/ship: a small file that has changed since it was listed arrives as it is now") {
  const support::temporary_directory at;
  make_files(at.path() / "tree", 3, 100);
  std::string expected;
  std::function<void()> change;
  const fs::path victim = at.path() / "tree" / "1";
  SUBCASE("longer") {
    change = [&] { fs::resize_file(victim, 200); };
    expected = support::bytes_at(0, 100, 1) + std::string(100, '\0');
  }
  SUBCASE("shorter") {
    change = [&] { fs::resize_file(victim, 50); };
    expected = support::bytes_at(0, 50, 1);
  }
  SUBCASE("of the same size") {
    change = [&] {
      const zc::fd file = support::open_file(victim, O_WRONLY);
      support::write_all(file.get(), std::string(100, 'x'));
    };
    expected = std::string(100, 'x');
  }
  bool changed = false;
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  // The tree is listed before anything is sent, and its files are read after the directories.
  const support::middleman between(receiver.address(), [&](std::uint64_t) {
    if (!std::exchange(changed, true)) change();
  });
  const program::result sent =
      run_program({"ship", "send", between.address(), at.path() / "tree", "--connections", "1"});
  CHECK(sent.code == 0);
  CHECK(receiver.finish().code == 0);
  const fs::path arrived = at.path() / "into" / "tree" / "1";
  CHECK(support::contents(support::open_file(arrived, O_RDONLY).get()) == expected);
  CHECK(look_at(arrived).st_mtim.tv_nsec == look_at(victim).st_mtim.tv_nsec);
}

TEST_CASE("examples/ship: what was a small file and is a FIFO now costs no other") {
  const support::temporary_directory at;
  make_files(at.path() / "tree", 3, 100);
  bool changed = false;
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  const support::middleman between(receiver.address(), [&](std::uint64_t) {
    if (std::exchange(changed, true)) return;
    fs::remove(at.path() / "tree" / "1");
    REQUIRE(::mkfifo((at.path() / "tree" / "1").c_str(), 0666) == 0);
  });
  const program::result sent =
      run_program({"ship", "send", between.address(), at.path() / "tree", "--connections", "1"});
  const program::result received = receiver.finish();
  for (const program::result* each : {&sent, &received}) {
    CHECK(each->code == 1);
    CHECK(says(each->err, "tree/1: "));
    CHECK(says(each->err, "is no longer a regular file"));
  }
  CHECK(count_files(at.path() / "into") == 2);
}

TEST_CASE("examples/ship: holes of small files stay holes") {
  const support::temporary_directory at;
  const fs::path file = at.path() / "sparse";
  {
    const zc::fd made = support::open_file(file, O_RDWR | O_CREAT | O_EXCL);
    REQUIRE(::ftruncate(made.get(), 60 * 1024) == 0);
    REQUIRE(::pwrite(made.get(), "x", 1, 50 * 1024) == 1);
  }
  REQUIRE(look_at(file).st_blocks <= 16);
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  CHECK(run_program({"ship", "send", receiver.address(), file}).code == 0);
  CHECK(receiver.finish().code == 0);
  CHECK(look_at(at.path() / "into" / "sparse").st_blocks <= 16);
  const bool same =
      support::tree_at(at.path() / "into")["sparse"] == support::tree_at(at.path())["sparse"];
  CHECK(same);
}

TEST_CASE(
    "examples/ship: small files have their modes also where a directory has others for them") {
  const support::temporary_directory at;
  fs::create_directory(at.path() / "into");
  // u::rwx, g::---, o::---, for what is made in it.
  const std::array<unsigned char, 28> acl{2,    0,    0, 0, 1,    0,    7,    0,    0xff, 0xff,
                                          0xff, 0xff, 4, 0, 0,    0,    0xff, 0xff, 0xff, 0xff,
                                          32,   0,    0, 0, 0xff, 0xff, 0xff, 0xff};
  if (::setxattr((at.path() / "into").c_str(), "system.posix_acl_default", acl.data(), acl.size(),
                 0) < 0) {
    return;
  }
  make_files(at.path() / "tree", 3, 100);
  REQUIRE(::chmod((at.path() / "tree" / "1").c_str(), 0666) == 0);
  REQUIRE(::chmod((at.path() / "tree" / "2").c_str(), 0404) == 0);
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  CHECK(run_program({"ship", "send", receiver.address(), at.path() / "tree" / "."}).code == 0);
  CHECK(receiver.finish().code == 0);
  CHECK((look_at(at.path() / "into" / "1").st_mode & 07777) == 0666);
  CHECK((look_at(at.path() / "into" / "2").st_mode & 07777) == 0404);
}

TEST_CASE("examples/ship: a full disk costs the small files that do not fit, and both count them") {
  if (::geteuid() != 0) return;
  const support::temporary_directory at;
  const support::small_filesystem small(mebibyte);
  make_files(at.path() / "tree", 50, 40'000);
  program receiver({"ship", "receive", "127.0.0.1:0", small.path(), "--json"});
  const program::result sent =
      run_program({"ship", "send", "--json", receiver.address(), at.path() / "tree"});
  const program::result received = receiver.finish();
  const std::size_t arrived = count_files(small.path());
  CHECK(arrived > 0);
  CHECK(arrived < 50);
  for (const program::result* each : {&sent, &received}) {
    CHECK(each->code == 1);
    CHECK(says(each->out, "{\"files\":" + std::to_string(arrived) + ","));
    CHECK(says(each->out, "\"failed\":" + std::to_string(50 - arrived) + ","));
    CHECK(says(each->err, "No space left on device"));
  }
  for (const auto& each : fs::directory_iterator(small.path() / "tree")) {
    CHECK(each.file_size() == 40'000);
  }
}

TEST_CASE("examples/ship: a receiver that is interrupted among small files counts what is there") {
  const support::temporary_directory at;
  make_files(at.path() / "tree", 3000, 1000);
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into", "--json"});
  bool told = false;
  const support::middleman between(receiver.address(), [&](std::uint64_t forwarded) {
    if (told || forwarded < mebibyte) return;
    told = true;
    // Meanwhile nothing more is forwarded, so it cannot have all of them.
    CHECK(support::comes_true([&] { return has_one_of(at.path() / "into" / "tree"); }));
    receiver.signal(SIGINT);
  });
  const program::result sent =
      run_program({"ship", "send", between.address(), at.path() / "tree", "--connections", "1"});
  CHECK(sent.code == 1);
  const program::result received = receiver.finish();
  CHECK(received.code == 130);
  const std::size_t arrived = count_files(at.path() / "into");
  CHECK(arrived > 0);
  CHECK(arrived < 3000);
  CHECK(says(received.out, "{\"files\":" + std::to_string(arrived) + ","));
}

TEST_CASE("examples/ship: small files that are lost with their connection are counted one by one") {
  const support::temporary_directory at;
  make_files(at.path() / "tree", 3000, 1000);
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  bool killed = false;
  const support::middleman between(receiver.address(), [&](std::uint64_t forwarded) {
    if (killed || forwarded < mebibyte) return;
    killed = true;
    receiver.signal(SIGKILL);
  });
  const program::result sent = run_program(
      {"ship", "send", "--json", between.address(), at.path() / "tree", "--connections", "1"});
  CHECK(sent.code == 1);
  // Those that are there, those that are not, and the directory's attributes.
  const auto number = [&](const std::string& key) {
    return std::stoul(sent.out.substr(sent.out.find("\"" + key + "\":") + key.size() + 3));
  };
  CHECK(number("files") + number("failed") == 3001);
}

TEST_CASE("examples/ship: a sender is not silent while a frame of small files trickles in") {
  const support::temporary_directory at;
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into", "--idle-timeout", "0.5"});
  peer slow(receiver.address());
  slow.greet();
  slow.say(small_files({{file_item("first", 1), "x"}}));
  CHECK(slow.hear_result().status == 0);
  const std::string bytes = small_files({{file_item("second", 12), "twelve bytes"}});
  for (const char each : bytes.substr(0, 12)) {
    slow.say(std::string(1, each));
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
  }
  slow.say(bytes.substr(12));
  CHECK(slow.hear_result().status == 0);
  slow.hang_up();
  CHECK(receiver.finish().code == 1);
  CHECK(fs::exists(at.path() / "into" / "second"));
}

TEST_SUITE_END();
