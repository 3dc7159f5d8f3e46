#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <set>
#include <string>
#include <system_error>

#include "../examples/file_server/links.hpp"
#include "examples/file_server_support.hpp"
#include "examples/http_client.hpp"
#include "examples/process_view.hpp"
#include "support/descriptors.hpp"
#include "support/process.hpp"
#include "support/sanitizers.hpp"
#include "zc/context.hpp"

// file_server, and its links, where there are no descriptors for all that is asked for.

TEST_SUITE_BEGIN("kernel");

// UBSan looks at objects through a pipe: without a descriptor for that it finds fault with all.
#ifndef ZC_TEST_ASAN

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using support::http_client;
using support::request;

/// The limit of open files with which a process can open so many more.
rlim_t limit_for(pid_t process, std::size_t more) {
  std::set<rlim_t> taken;
  for (const auto& each : fs::directory_iterator("/proc/" + std::to_string(process) + "/fd")) {
    taken.insert(std::stoul(each.path().filename().string()));
  }
  rlim_t limit = 0;
  for (std::size_t left = more; left > 0 || taken.contains(limit); ++limit) {
    if (!taken.contains(limit)) --left;
  }
  return limit;
}

/// For the object's life a process can open so many more files, and no others.
class shortage {
 public:
  shortage(pid_t process, std::size_t more) : process_(process) {
    REQUIRE(::prlimit(process_, RLIMIT_NOFILE, nullptr, &before_) == 0);
    const rlimit few{limit_for(process, more), before_.rlim_max};
    REQUIRE(::prlimit(process_, RLIMIT_NOFILE, &few, nullptr) == 0);
  }
  shortage(const shortage&) = delete;
  shortage& operator=(const shortage&) = delete;
  ~shortage() { CHECK(::prlimit(process_, RLIMIT_NOFILE, &before_, nullptr) == 0); }

 private:
  pid_t process_;
  rlimit before_{};
};

}  // namespace

TEST_CASE("examples/file_server: whoever is let in has a descriptor for a file, all at once") {
  support::file_server server({}, {.descriptors = 80});
  fs::resize_file(server.add("big", 10), 64 << 20);
  std::deque<http_client> clients;
  const http_client::options small{.receive_buffer_bytes = 64 << 10};
  for (int i = 0; i < 80; ++i) clients.emplace_back(server.address(), small);
  REQUIRE(support::comes_true([&] { return !server.process().complaints().empty(); }));
  const std::size_t let_in = server.clients();
  CHECK(let_in >= 10);
  CHECK(let_in < clients.size());
  for (std::size_t i = 0; i < let_in; ++i) clients[i].send(request("GET", "/big"));
  // They take no more than that, so that each holds its file.
  for (std::size_t i = 0; i < let_in; ++i) CHECK(clients[i].receive_head().status == 200);
  clients.clear();
  CHECK(server.comes_to_clients(0));
  server.stop(SIGTERM);
}

TEST_CASE("examples/file_server: a client's time to take its answer begins with the answer") {
  support::file_server server({"--send-timeout", "0.3"});
  server.add("file", 10);
  http_client client(server.address());
  // Whatever it was sent before is closed by then.
  CHECK(client.ask(request("GET", "/none")).status == 404);
  {
    const shortage none(server.id(), 0);
    client.send(request("GET", "/file"));
    CHECK(!client.hears_within(1200ms));
  }
  CHECK(client.receive().status == 200);
}

TEST_CASE("examples/file_server: a compressed sibling is not waited for, nor needed for a list") {
  support::file_server server({"--precompressed", "--list"});
  server.add("file", 10);
  server.add("file.gz", 5);
  http_client client(server.address());
  const std::string ask = request("GET", "/file", "Accept-Encoding: gzip\r\n");
  CHECK(client.ask(ask).body.size() == 5);
  CHECK(client.ask(request("GET", "/none")).status == 404);
  const shortage one(server.id(), 1);
  CHECK(client.ask(ask).body.size() == 10);
  const support::http_answer list = client.ask(request("GET", "/"));
  CHECK(list.status == 200);
  CHECK(list.body.find("file.gz") != std::string::npos);
}

TEST_CASE("file_server: a link that cannot be followed for want of descriptors is not missing") {
  const support::temporary_directory at;
  fs::create_directory(at.path() / "directory");
  support::open_file(at.path() / "directory/file", O_CREAT | O_WRONLY);
  fs::create_symlink(at.path() / "directory", at.path() / "absolute");
  const zc::fd root = support::open_file(at.path(), O_PATH | O_DIRECTORY);
  const int status = support::in_child([&] {
    const auto look = [&]() -> zc::task<int> {
      const std::string path = "absolute/file";
      const zc::result<std::string> before = co_await file_server::resolve_links(root.get(), path);
      if (!before || *before != "directory/file") co_return 1;
      const int lowest_free = ::dup(root.get());
      ::close(lowest_free);
      const support::limit none(RLIMIT_NOFILE, static_cast<rlim_t>(lowest_free));
      const zc::result<std::string> found = co_await file_server::resolve_links(root.get(), path);
      co_return found.error() == std::errc::too_many_files_open ? 0 : 2;
    };
    return zc::run(look());
  });
  CHECK(support::exited_with(status, 0));
}

#endif

TEST_SUITE_END();
