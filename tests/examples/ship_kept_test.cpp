#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "examples/program.hpp"
#include "examples/ship_support.hpp"
#include "support/descriptors.hpp"

// What arrives as it was, and what is said not to.

TEST_SUITE_BEGIN("kernel");

namespace fs = std::filesystem;

namespace {

using support::make_file;
using support::program;
using support::run_program;

constexpr off_t mebibyte = 1 << 20;

struct stat look_at(const fs::path& path) {
  struct stat about {};
  REQUIRE(::lstat(path.c_str(), &about) == 0);
  return about;
}

std::string contents_of(const fs::path& path) {
  return support::contents(support::open_file(path, O_RDONLY).get());
}

void write_at(int file, off_t offset, const std::string& bytes) {
  REQUIRE(::pwrite(file, bytes.data(), bytes.size(), offset) == static_cast<ssize_t>(bytes.size()));
}

}  // namespace

TEST_CASE("examples/ship: holes stay holes, wherever in a file they are") {
  const support::temporary_directory at;
  const fs::path file = at.path() / "sparse";
  off_t size = 64 * mebibyte;
  {
    const zc::fd made = support::open_file(file, O_RDWR | O_CREAT | O_EXCL);
    SUBCASE("all around what is there") {
      write_at(made.get(), 3 * mebibyte, "a");
      // Across the end of what is sent at once.
      write_at(made.get(), 20 * mebibyte - 5, support::bytes_at(0, 9 * mebibyte));
    }
    SUBCASE("at the end") { write_at(made.get(), 0, support::bytes_at(0, 10'000)); }
    SUBCASE("at the beginning") {
      write_at(made.get(), size - 10'000, support::bytes_at(0, 10'000));
    }
    SUBCASE("and nothing else") {}
    SUBCASE("and an odd size") {
      size = 5 * mebibyte + 123;
      write_at(made.get(), mebibyte, "b");
    }
    REQUIRE(::ftruncate(made.get(), size) == 0);
  }
  const auto blocks = look_at(file).st_blocks;
  REQUIRE(blocks < size / 1024);
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  const program::result sent = run_program({"ship", "send", receiver.address(), file});
  CHECK(sent.code == 0);
  CHECK(receiver.finish().code == 0);
  const struct stat arrived = look_at(at.path() / "into" / "sparse");
  CHECK(arrived.st_size == size);
  CHECK(arrived.st_blocks <= blocks + 256);
  const bool same = contents_of(at.path() / "into" / "sparse") == contents_of(file);
  CHECK(same);
}

TEST_CASE("examples/ship: what is not kept is counted, and named in the help") {
  const support::temporary_directory at;
  const fs::path tree = at.path() / "tree";
  fs::create_directory(tree);
  make_file(tree / "one", "1");
  fs::create_hard_link(tree / "one", tree / "two");
  fs::create_hard_link(tree / "one", tree / "three");
  make_file(tree / "special", "s");
  REQUIRE(::chmod((tree / "special").c_str(), 06755) == 0);
  make_file(tree / "attributed", "a");
  const bool has_attributes = ::setxattr((tree / "attributed").c_str(), "user.zc", "x", 1, 0) == 0;
  const bool has_other_owner = ::chown((tree / "attributed").c_str(), 12345, 12345) == 0;
  make_file(tree / "plain", "p");
  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  const std::string address = receiver.address();
  const program::result sent = run_program({"ship", "send", "--json", address, tree});
  CHECK(sent.code == 0);
  CHECK(receiver.finish().code == 0);
  CHECK(sent.out.find(
            "\"not_kept\":{\"hard_links\":2,\"owners\":" + std::to_string(has_other_owner ? 1 : 0) +
            ",\"extended_attributes\":" + std::to_string(has_attributes ? 1 : 0) +
            ",\"special_modes\":1}") != std::string::npos);
  CHECK(look_at(at.path() / "into" / "tree" / "two").st_nlink == 1);

  program again({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  const program::result told = run_program({"ship", "send", again.address(), tree});
  CHECK(told.out.find("not kept: 2 hard links") != std::string::npos);
  CHECK(told.out.find("1 set-user-id") != std::string::npos);
  CHECK(again.finish().code == 0);

  program third({"ship", "receive", "127.0.0.1:0", at.path() / "into"});
  const program::result plain = run_program({"ship", "send", third.address(), tree / "plain"});
  CHECK(plain.out.find("not kept") == std::string::npos);
  CHECK(third.finish().code == 0);

  const std::string help = run_program({"ship", "send", "--help"}).out;
  for (const char* const word : {"owner", "hard link", "extended attributes", "ACL", "set-user-id",
                                 "Holes", "modification"}) {
    CAPTURE(word);
    CHECK(help.find(word) != std::string::npos);
  }
}

TEST_SUITE_END();
