#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "examples/file_server_support.hpp"
#include "examples/http_client.hpp"
#include "support/descriptors.hpp"

// The access log, and the command line.

TEST_SUITE_BEGIN("kernel");

namespace {

using support::file_server;
using support::http_client;
using support::program;
using support::request;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> found;
  std::istringstream from(text);
  for (std::string line; std::getline(from, line);) found.push_back(line);
  return found;
}

bool says(const std::string& line, const std::string& what) {
  return line.find(what) != std::string::npos;
}

}  // namespace

TEST_CASE(
    "examples/file_server: its access log has a line for each request, and no way to forge one") {
  file_server server({"--access-log"});
  server.add("file", 3456);
  struct row {
    std::string target, shown;
    int status;
  };
  const std::vector<row> rows{{"/file", "/file", 200},
                              {"/file?x=%0d%0a127.0.0.1", "/file?x=%0d%0a127.0.0.1", 200},
                              {"/none", "/none", 404},
                              {"/%zz", "/%zz", 400}};
  for (const row& at : rows) CHECK(server.get(at.target).status == at.status);
  // What is no request leaves a line, too, of nothing but printable characters.
  http_client hostile(server.address());
  hostile.send("GET /\x1b[31m\x7f\x80 HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(hostile.receive().status == 400);

  const program::result ended = server.stop(SIGTERM);
  CHECK(ended.code == 0);
  CHECK(std::all_of(ended.err.begin(), ended.err.end(),
                    [](char each) { return each == '\n' || (each >= ' ' && each <= '~'); }));
  const std::vector<std::string> lines = lines_of(support::complaints_in(ended));
  REQUIRE(lines.size() == rows.size() + 1);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(lines[i]);
    CHECK(says(lines[i], "127.0.0.1"));
    CHECK(says(lines[i], "GET"));
    CHECK(says(lines[i], rows[i].shown));
    CHECK(says(lines[i], " " + std::to_string(rows[i].status) + " "));
  }
  CHECK(says(lines[0], " 3456 "));
}

TEST_CASE("examples/file_server: its access log tells how much of an answer was taken") {
  file_server server({"--access-log", "--send-timeout", "1"});
  server.add("big", 64 << 20);
  {
    http_client client(server.address(), {.receive_buffer_bytes = 64 << 10});
    client.send(request("GET", "/big"));
    client.receive_bytes(1000);
    client.reset();
    CHECK(server.comes_to_clients(0));
  }
  const std::vector<std::string> lines = lines_of(support::complaints_in(server.stop(SIGTERM)));
  REQUIRE(lines.size() == 1);
  CAPTURE(lines[0]);
  CHECK(says(lines[0], "/big"));
  CHECK(!says(lines[0], std::to_string(64 << 20)));
}

TEST_CASE("examples/file_server: a command line that cannot be is refused, and why is said") {
  const support::temporary_directory at;
  const std::string root = at.path();
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"file_server"},
        {"file_server", "--root", root + "/none", "--listen", "127.0.0.1:0"},
        {"file_server", "--root", "/dev/null", "--listen", "127.0.0.1:0"},
        {"file_server", "--root", root, "--listen", "127.0.0.1"},
        {"file_server", "--root", root, "--listen", "192.0.2.1:80"},
        {"file_server", "--root", root, "--listen", "127.0.0.1:0", "--threads", "0"},
        {"file_server", "--root", root, "--listen", "127.0.0.1:0", "--connections", "0"},
        {"file_server", "--root", root, "--listen", "127.0.0.1:0", "--idle-timeout", "-1"},
        {"file_server", "--root", root, "--listen", "127.0.0.1:0", "--nonsense"}}) {
    CAPTURE(arguments);
    program one(arguments);
    // Had it begun to serve, that would end it.
    const program::result ended = one.finish();
    CHECK(ended.code > 0);
    CHECK(ended.code < 126);
    CHECK(!ended.err.empty());
  }
  CHECK(support::run_program({"file_server", "--help"}).code == 0);
}

TEST_SUITE_END();
