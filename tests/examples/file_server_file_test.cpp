#include "../examples/file_server/file.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "../examples/file_server/file_cache.hpp"
#include "support/descriptors.hpp"
#include "zc/context.hpp"
#include "zc/sleep.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using file_server::file;
using file_server::file_cache;

/// A root with something in it, and something outside.
struct site {
  site() {
    const std::filesystem::path& at = place.path();
    std::filesystem::create_directories(at / "root" / "dir");
    support::write_all(support::open_file(at / "outside", O_CREAT | O_WRONLY).get(), "secret");
    support::write_all(support::open_file(at / "root/file", O_CREAT | O_WRONLY).get(), "12345");
    std::filesystem::create_symlink("../outside", at / "root/out");
    std::filesystem::create_symlink("/etc/passwd", at / "root/far");
    std::filesystem::create_symlink("../file", at / "root/dir/in");
    CHECK(::mkfifo((at / "root/fifo").c_str(), 0600) == 0);
    root = support::open_file(at / "root", O_PATH | O_DIRECTORY);
  }

  zc::result<file> open(const std::string& path) const {
    return zc::run(file_server::open_below(root.get(), path));
  }

  support::temporary_directory place;
  zc::fd root;
};

std::shared_ptr<const file> some_file() {
  file some{};
  some.fd = support::empty_file();
  return std::make_shared<const file>(std::move(some));
}

}  // namespace

TEST_CASE("file_server: a file below the root is opened, and described") {
  const site at;
  const zc::result<file> opened = at.open("file");
  REQUIRE(opened);
  CHECK(opened->is == file::kind::regular);
  CHECK(opened->size == 5);
  CHECK(support::contents(opened->fd.get()) == "12345");
  CHECK(at.open("dir/in")->size == 5);
  CHECK(at.open("dir")->is == file::kind::directory);
  CHECK(at.open("")->is == file::kind::directory);
}

TEST_CASE("file_server: no path leads out of the root") {
  const site at;
  for (const char* const path : {"out", "far", "../outside", "/etc/passwd", "dir/../../outside"}) {
    CAPTURE(path);
    CHECK(at.open(path).error() == std::errc::cross_device_link);
  }
}

TEST_CASE("file_server: a FIFO that nobody writes to holds nobody up") {
  const site at;
  const zc::result<file> opened = at.open("fifo");
  REQUIRE(opened);
  CHECK(opened->is == file::kind::other);
}

TEST_CASE("file_server: a file is remembered for a second, and then let go of") {
  std::weak_ptr<const file> watched;
  const auto remember = [&watched]() -> zc::task<> {
    file_cache cache(1);
    std::shared_ptr<const file> first = some_file();
    watched = first;
    cache.keep("a", std::move(first));
    CHECK(cache.find("a") == watched.lock());
    CHECK_FALSE(cache.find("b"));
    while (!watched.expired()) co_await zc::sleep_for(std::chrono::milliseconds(20));
    CHECK_FALSE(cache.find("a"));
    cache.keep("b", some_file());
    CHECK(cache.find("b"));
  };
  zc::run(remember());
}

TEST_CASE("file_server: no more files are remembered than there may be") {
  const auto remember = []() -> zc::task<> {
    file_cache cache(1);
    cache.keep("a", some_file());
    cache.keep("b", some_file());
    CHECK(cache.find("a"));
    CHECK_FALSE(cache.find("b"));
    const std::shared_ptr<const file> again = some_file();
    cache.keep("a", again);
    CHECK(cache.find("a") == again);
    co_return;
  };
  zc::run(remember());
}

TEST_SUITE_END();
