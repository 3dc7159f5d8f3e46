#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "examples/other_servers.hpp"
#include "examples/process_view.hpp"
#include "examples/program.hpp"
#include "examples/ship_support.hpp"
#include "support/descriptors.hpp"

TEST_SUITE_BEGIN("kernel");

namespace {

using support::haproxy;
using support::make_file;
using support::program;

constexpr std::size_t large_bytes = 3'000'000;

/// A directory of its own with who it is in `/name`, and what all have in `/large`.
std::string root_of(const std::filesystem::path& at, const std::string& name) {
  std::filesystem::create_directory(at / name);
  make_file(at / name / "name", name + "\n");
  make_file(at / name / "large", support::bytes_at(0, large_bytes));
  return at / name;
}

program file_server_of(const std::string& root) {
  return program({"file_server", "--root", root, "--listen", "127.0.0.1:0"});
}

/// As in docs/servers.md.
std::string balanced(const std::string& address, const std::string& one, const std::string& two) {
  return "frontend web\n  mode http\n  bind " + address +
         "\n  default_backend files\n"
         "backend files\n  mode http\n  balance roundrobin\n  option redispatch 1\n  retries 3\n"
         "  retry-on conn-failure empty-response\n"
         "  default-server check inter 2s fall 2\n"
         "  server one " +
         one + "\n  server two " + two + "\n";
}

/// What curl gets, each time by a connection of its own.
std::vector<std::string> fetch(const std::string& url, int times) {
  std::vector<std::string> all;
  for (int i = 0; i < times; ++i) {
    const program::result done =
        support::run_program({support::installed("curl"), "-sS", "-f", "--max-time", "50", url});
    CHECK(done.code == 0);
    all.push_back(done.out);
  }
  return all;
}

std::size_t count(const std::vector<std::string>& all, const std::string& wanted) {
  return static_cast<std::size_t>(std::count(all.begin(), all.end(), wanted));
}

}  // namespace

TEST_CASE("examples/file_server: HAProxy balances two of them, and goes on with one") {
  const support::temporary_directory at;
  program one = file_server_of(root_of(at.path(), "one"));
  program two = file_server_of(root_of(at.path(), "two"));
  const std::string address = support::free_address();
  const haproxy front(address, balanced(address, one.address(), two.address()));
  const std::string url = "http://" + address;

  const std::vector<std::string> names = fetch(url + "/name", 10);
  CHECK(count(names, "one\n") == 5);
  CHECK(count(names, "two\n") == 5);
  for (const std::string& each : fetch(url + "/large", 2)) {
    CHECK(each.size() == large_bytes);
    CHECK(support::are_bytes_at(each, 0));
  }

  SUBCASE("when the other is asked to end") {
    one.signal(SIGTERM);
    CHECK(one.finish().code == 0);
  }
  SUBCASE("when the other is killed") {
    one.signal(SIGKILL);
    CHECK(one.finish().code == 128 + SIGKILL);
  }
  CHECK(count(fetch(url + "/name", 10), "two\n") == 10);
}

TEST_SUITE_END();
