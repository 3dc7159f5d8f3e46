#include <doctest/doctest.h>
#include <fcntl.h>

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

std::string contents_of(const fs::path& path) {
  return support::contents(support::open_file(path, O_RDONLY).get());
}

}  // namespace

TEST_CASE("examples/ship: --no-overwrite leaves what is there, says so, and takes the rest") {
  const support::temporary_directory at;
  fs::create_directories(at.path() / "tree" / "sub");
  make_file(at.path() / "tree" / "sub" / "taken", "new\n");
  make_file(at.path() / "tree" / "sub" / "linked", "new\n");
  make_file(at.path() / "tree" / "free", std::string(100'000, 'n'));
  fs::create_symlink("new", at.path() / "tree" / "link");
  fs::create_directories(at.path() / "into" / "tree" / "sub");
  make_file(at.path() / "into" / "tree" / "sub" / "taken", "old\n");
  fs::create_symlink("nowhere", at.path() / "into" / "tree" / "sub" / "linked");
  fs::create_symlink("old", at.path() / "into" / "tree" / "link");

  program receiver({"ship", "receive", "127.0.0.1:0", at.path() / "into", "--no-overwrite"});
  const program::result sent =
      run_program({"ship", "send", receiver.address(), at.path() / "tree"});
  const program::result received = receiver.finish();
  CHECK(sent.code == 1);
  CHECK(received.code == 1);
  for (const char* const path : {"tree/sub/taken", "tree/sub/linked", "tree/link"}) {
    CAPTURE(path);
    CHECK(received.err.find(std::string(path) + ": File exists\n") != std::string::npos);
    CHECK(sent.err.find(std::string(path) + ": receiver: File exists\n") != std::string::npos);
  }
  CHECK(received.out.find("failures: 3") != std::string::npos);
  CHECK(contents_of(at.path() / "into" / "tree" / "sub" / "taken") == "old\n");
  CHECK(fs::read_symlink(at.path() / "into" / "tree" / "sub" / "linked") == "nowhere");
  CHECK(fs::read_symlink(at.path() / "into" / "tree" / "link") == "old");
  CHECK(contents_of(at.path() / "into" / "tree" / "free").size() == 100'000);
}

TEST_CASE("examples/ship: names reach neither a terminal nor JSON as they are, on either side") {
  const support::temporary_directory at;
  // A C1 control, an override of the direction, a separator, and what is no UTF-8.
  const std::string name = "a\xc2\x9b\x33m\xe2\x80\xae\xe2\x80\xa8\x9b\xff b";
  const std::string shown = R"(a\xC2\x9B3m\xE2\x80\xAE\xE2\x80\xA8\x9B\xFF b)";
  const std::string shown_in_json = R"(a\\xC2\\x9B3m\\xE2\\x80\\xAE\\xE2\\x80\\xA8\\x9B\\xFF b)";
  make_file(at.path() / name, "new");
  fs::create_directory(at.path() / "into");
  make_file(at.path() / "into" / name, "old");
  program receiver(
      {"ship", "receive", "127.0.0.1:0", at.path() / "into", "--no-overwrite", "--json"});
  const program::result sent =
      run_program({"ship", "send", "--json", receiver.address(), at.path() / name});
  const program::result received = receiver.finish();
  for (const program::result* each : {&sent, &received}) {
    CHECK(each->code == 1);
    CHECK(each->err.find("ship: " + shown + ": ") == 0);
    CHECK(each->out.find("{\"path\":\"" + shown_in_json + "\",") != std::string::npos);
    for (const char byte : each->out + each->err) {
      CHECK((byte == '\n' || (byte >= ' ' && byte <= '~')));
    }
  }
}

TEST_SUITE_END();
