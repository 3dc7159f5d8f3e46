#include <doctest/doctest.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <thread>

#include "../examples/file_server/file.hpp"
#include "../examples/file_server/root.hpp"
#include "../examples/file_server/tree.hpp"
#include "examples/file_server_support.hpp"
#include "examples/process_view.hpp"
#include "examples/ship_support.hpp"
#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "zc/context.hpp"
#include "zc/sleep.hpp"

// Where the root is, which may change, and the links that stay in it.

TEST_SUITE_BEGIN("kernel");

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using file_server::root_path;
using file_server::tree;

/// Two releases, and a link to the first: what is served.
struct releases {
  releases() {
    for (const char* const each : {"one", "two"}) {
      fs::create_directory(at.path() / each);
      support::make_file(at.path() / each / "file", each);
    }
    fs::create_directory_symlink("one", current());
  }

  fs::path current() const { return at.path() / "current"; }
  /// As a deployment does: there is always one or the other.
  void switch_to(const std::string& name) const {
    fs::create_directory_symlink(name, at.path() / "new");
    fs::rename(at.path() / "new", current());
  }

  support::temporary_directory at;
};

/// What the file says; empty where there is none.
zc::task<std::string> read(tree& files, std::string path) {
  const zc::result<std::shared_ptr<const file_server::file>> opened = co_await files.open(path);
  co_return opened ? support::contents((*opened)->fd.get()) : std::string();
}

}  // namespace

TEST_CASE("file_server: a root that is another directory is so within a second") {
  const releases all;
  const root_path named(all.current());
  const auto look = [&]() -> zc::task<> {
    tree files(named, 10);
    CHECK(co_await read(files, "file") == "one");
    all.switch_to("two");
    const auto switched = std::chrono::steady_clock::now();
    std::string seen = "one";
    while (seen == "one" && std::chrono::steady_clock::now() - switched < 10s) {
      co_await zc::sleep_for(50ms);
      seen = co_await read(files, "file");
    }
    CHECK(seen == "two");
    CHECK(std::chrono::steady_clock::now() - switched < 1500ms * support::slowdown());
  };
  zc::run(look());
}

TEST_CASE("file_server: asked to, it looks where the root is at once, whatever is remembered") {
  const releases all;
  root_path named(all.current());
  const auto look = [&]() -> zc::task<> {
    tree files(named, 10);
    for (const std::string now : {"two", "one", "two"}) {
      co_await read(files, "file");
      all.switch_to(now);
      named.reopen();
      CHECK(co_await read(files, "file") == now);
    }
  };
  zc::run(look());
}

TEST_CASE("file_server: a file that is in the old root and the new one is always found") {
  const releases all;
  const root_path named(all.current());
  const auto look = [&]() -> zc::task<> {
    tree files(named, 0);
    CHECK(co_await read(files, "file") == "one");
    co_await zc::sleep_for(50ms);
    all.switch_to("two");
    fs::remove_all(all.at.path() / "one");
    CHECK(co_await read(files, "file") == "two");
  };
  zc::run(look());
}

TEST_CASE("file_server: a root that is removed has no files, and made again it has") {
  const releases all;
  const root_path named(all.at.path() / "one");
  const auto look = [&]() -> zc::task<> {
    tree files(named, 0);
    CHECK(co_await read(files, "file") == "one");
    fs::remove_all(all.at.path() / "one");
    co_await zc::sleep_for(50ms);
    const auto none = co_await files.open("file");
    CHECK(none.error() == std::errc::no_such_file_or_directory);
    fs::create_directory(all.at.path() / "one");
    support::make_file(all.at.path() / "one/file", "again");
    CHECK(co_await read(files, "file") == "again");
  };
  zc::run(look());
}

TEST_CASE(
    "file_server: links are followed to what is in the root, however they say where that is") {
  const support::temporary_directory place;
  const fs::path root = place.path() / "root";
  fs::create_directories(root / "folder/deep");
  fs::create_directories(place.path() / "root-private");
  support::make_file(root / "file", "inside");
  support::make_file(root / "folder/deep/file", "deep");
  support::make_file(place.path() / "secret", "outside");
  support::make_file(place.path() / "root-private/file", "outside");
  fs::create_directory_symlink(root, place.path() / "alias");
  const auto link = [&](const fs::path& to, const char* name) {
    fs::create_symlink(to, root / name);
  };
  link(root / "file", "absolute");
  link("../root/file", "through");
  link("../../root/file", "folder/through");
  link(place.path() / "alias/file", "aliased");
  link(root / "folder", "directory");
  link(root / "directory/deep", "twice");
  link(root, "itself");
  link(place.path() / "secret", "out");
  link("../root-private/file", "beside");
  link("..", "up");
  link(root / "out", "out-by-two");
  link("/proc/self/root", "magic");
  link(root / "none", "dangling");
  link(root / "circle", "circle");
  link(root / "fine/deep/file", "far");
  const root_path named(root);
  const auto look = [&]() -> zc::task<> {
    tree files(named, 0);
    for (const char* const path :
         {"absolute", "through", "folder/through", "aliased", "itself/file",
          "itself/itself/through", "directory/through", "twice/../../file"}) {
      CAPTURE(path);
      const std::string said = co_await read(files, path);
      CHECK(said == "inside");
    }
    for (const char* const path : {"directory/deep/file", "twice/file", "itself/twice/file"}) {
      CAPTURE(path);
      const std::string said = co_await read(files, path);
      CHECK(said == "deep");
    }
    for (const std::string path : {"out", "beside", "up/secret", "up/root/file", "out-by-two",
                                   "magic/etc/passwd", "itself/out", "directory/../up/secret"}) {
      CAPTURE(path);
      const auto none = co_await files.open(path);
      CHECK(none.error() == std::errc::cross_device_link);
    }
    for (const std::string path : {"dangling", "circle", "far", "absolute/x", "itself/none"}) {
      CAPTURE(path);
      const auto none = co_await files.open(path);
      CHECK_FALSE(none);
    }
    const auto directory = co_await files.open("itself");
    REQUIRE(directory);
    CHECK((*directory)->is == file_server::file::kind::directory);
  };
  zc::run(look());
}

TEST_CASE(
    "file_server: whoever changes links and directories meanwhile, nothing outside is opened") {
  const support::temporary_directory place;
  const fs::path root = place.path() / "root";
  fs::create_directories(root / "folder");
  fs::create_directories(place.path() / "outside");
  support::make_file(root / "folder/file", "inside");
  support::make_file(place.path() / "outside/file", "outside");
  fs::create_directory_symlink(root / "folder", root / "link");
  std::atomic<bool> over = false;
  std::thread changes([&] {
    while (!over) {
      for (const fs::path& to : {place.path() / "outside", root / "folder"}) {
        fs::create_directory_symlink(to, root / "next");
        fs::rename(root / "next", root / "link");
      }
      // What was found below the root is a link out of it by then.
      fs::rename(root / "folder", root / "aside");
      fs::create_directory_symlink(place.path() / "outside", root / "folder");
      fs::remove(root / "folder");
      fs::rename(root / "aside", root / "folder");
    }
  });
  const root_path named(root);
  const auto look = [&]() -> zc::task<int> {
    tree files(named, 0);
    int found = 0;
    const auto until = std::chrono::steady_clock::now() + 600ms;
    while (std::chrono::steady_clock::now() < until) {
      const std::string said = co_await read(files, "link/file");
      if (said.empty()) continue;
      ++found;
      if (said != "inside") FAIL_CHECK(said);
    }
    co_return found;
  };
  const int found = zc::run(look());
  over = true;
  changes.join();
  CHECK(found > 0);
}

TEST_CASE("examples/file_server: it serves what its root's path names now") {
  const releases all;
  support::program server(
      {"file_server", "--root", all.current(), "--listen", "127.0.0.1:0", "--file-cache"});
  const std::string url = "http://" + server.address() + "/file";
  CHECK(support::curl({url}).out == "one");
  all.switch_to("two");
  CHECK(support::comes_true([&] { return support::curl({url}).out == "two"; }));
  fs::remove_all(all.at.path() / "two");
  CHECK(support::comes_true([&] {
    return support::curl({"--output", "/dev/null", "--write-out", "%{http_code}", url}).out ==
           "404";
  }));
  fs::create_directory(all.at.path() / "two");
  support::make_file(all.at.path() / "two/file", "again");
  CHECK(support::comes_true([&] { return support::curl({url}).out == "again"; }));
  server.signal(SIGTERM);
  CHECK(server.finish().code == 0);
}

TEST_SUITE_END();
