#include <doctest/doctest.h>
#include <fcntl.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "examples/file_server_support.hpp"
#include "examples/ship_support.hpp"
#include "support/descriptors.hpp"

// The server as curl sees it: somebody else's idea of HTTP.

TEST_SUITE_BEGIN("kernel");

namespace {

using support::curl;
using support::file_server;
using support::program;

constexpr std::size_t kib = 1024;

/// On, below and above the boundaries of pages, pipes and buffers.
const std::vector<std::size_t> sizes{0,
                                     1,
                                     2,
                                     1023,
                                     1024,
                                     4 * kib - 1,
                                     4 * kib,
                                     4 * kib + 1,
                                     8 * kib - 1,
                                     8 * kib,
                                     8 * kib + 1,
                                     16 * kib,
                                     32 * kib + 1,
                                     64 * kib - 1,
                                     64 * kib,
                                     64 * kib + 1,
                                     1'000'000,
                                     3'000'000};

/// The lines of a program's output, sorted, each with its number: "3 200".
std::string tally(const std::string& output) {
  std::vector<std::string> lines;
  std::istringstream text(output);
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  std::string counted;
  for (auto at = lines.begin(); at != lines.end();) {
    const auto after = std::upper_bound(at, lines.end(), *at);
    counted += std::to_string(after - at) + " " + *at + "\n";
    at = after;
  }
  return counted;
}

void add_all_sizes(file_server& server) {
  for (const std::size_t size : sizes) server.add(std::to_string(size), size);
}

}  // namespace

TEST_CASE("examples/file_server: curl gets files of every size, byte for byte") {
  file_server server;
  add_all_sizes(server);
  std::vector<std::string> arguments;
  const support::temporary_directory to;
  for (const std::size_t size : sizes) {
    const std::string name = std::to_string(size);
    arguments.insert(arguments.end(), {"--output", to.path() / name, server.url("/" + name)});
  }
  arguments.insert(arguments.end(), {"--fail-early", "--fail", "--write-out",
                                     "%{http_code} %{http_version} %{num_connects}\n"});
  const program::result done = curl(arguments);
  CHECK(done.code == 0);
  CHECK(done.err == "");
  // All over the connection that the first made.
  CHECK(tally(done.out) == std::to_string(sizes.size() - 1) + " 200 1.1 0\n1 200 1.1 1\n");
  for (const std::size_t size : sizes) {
    CAPTURE(size);
    const std::filesystem::path path = to.path() / std::to_string(size);
    const std::string got = support::contents(support::open_file(path, O_RDONLY).get());
    CHECK(got.size() == size);
    CHECK(support::are_bytes_at(got, 0));
  }
}

TEST_CASE("examples/file_server: curl gets files of every size with HTTP/1.0") {
  file_server server;
  add_all_sizes(server);
  for (const std::size_t size : sizes) {
    CAPTURE(size);
    const program::result done =
        curl({"--http1.0", "--fail", server.url("/" + std::to_string(size))});
    CHECK(done.code == 0);
    CHECK(done.out.size() == size);
    CHECK(support::are_bytes_at(done.out, 0));
  }
}

TEST_CASE("examples/file_server: curl gets ranges, and resumes what was interrupted") {
  file_server server;
  server.add("file", 300'000);
  struct row {
    std::string range;
    std::size_t first, size;
  };
  for (const row& at : {row{"0-0", 0, 1}, row{"0-65535", 0, 65536}, row{"65535-65536", 65535, 2},
                        row{"123456-", 123456, 300'000 - 123456}, row{"-1", 299'999, 1},
                        row{"-70000", 230'000, 70'000}, row{"299999-400000", 299'999, 1}}) {
    CAPTURE(at.range);
    const program::result done = curl({"--fail", "--range", at.range, server.url("/file")});
    CHECK(done.code == 0);
    CHECK(done.out.size() == at.size);
    CHECK(support::are_bytes_at(done.out, at.first));
  }

  const support::temporary_directory to;
  const std::filesystem::path part = to.path() / "part";
  support::make_file(part, support::bytes_at(0, 100'001));
  CHECK(curl({"--fail", "--continue-at", "-", "--output", part, server.url("/file")}).code == 0);
  const std::string whole = support::contents(support::open_file(part, O_RDONLY).get());
  CHECK(whole.size() == 300'000);
  CHECK(support::are_bytes_at(whole, 0));
}

TEST_CASE("examples/file_server: curl's HEAD is told what GET would bring") {
  file_server server;
  server.add("page.html", 70'000);
  const program::result done = curl({"--head", "--fail", server.url("/page.html")});
  CHECK(done.code == 0);
  const support::http_answer head = support::parse_answer(done.out);
  CHECK(head.status == 200);
  CHECK(head.content_length() == 70'000);
  CHECK(head.field("content-type").rfind("text/html", 0) == 0);
  CHECK(head.field("accept-ranges") == "bytes");
  CHECK(head.has("etag"));
  CHECK(head.has("last-modified"));
}

TEST_CASE(
    "examples/file_server: curl follows a directory to its index, and is refused what is not") {
  file_server server;
  std::filesystem::create_directory(server.root() / "folder");
  server.add("folder/index.html", "an index\n");
  const program::result done =
      curl({"--location", "--write-out", "%{http_code} %{num_redirects} %{url_effective}",
            server.url("/folder")});
  CHECK(done.code == 0);
  CHECK(done.out == "an index\n200 1 " + server.url("/folder/"));

  const program::result none = curl({"--fail", server.url("/none")});
  CHECK(none.code == 22);  // HTTP says no
  CHECK(none.err.find("404") != std::string::npos);
  const program::result posted = curl({"--fail", "--data", "x=1", server.url("/folder/")});
  CHECK(posted.code == 22);
  CHECK(posted.err.find("405") != std::string::npos);
}

TEST_CASE("examples/file_server: curl fetches only what has changed") {
  file_server server;
  const std::filesystem::path file = server.add("file", 1000);
  const support::temporary_directory to;
  const std::string tag = to.path() / "tag";
  const auto again = [&] {
    return curl({"--etag-compare", tag, "--etag-save", tag, "--output", to.path() / "file",
                 "--write-out", "%{http_code} %{size_download}", server.url("/file")});
  };
  support::make_file(tag, "");
  CHECK(again().out == "200 1000");
  CHECK(again().out == "304 0");
  std::filesystem::resize_file(file, 999);
  CHECK(again().out == "200 999");
  CHECK(again().out == "304 0");

  const std::vector<std::string> newer{"--time-cond",      file,          "--output",
                                       "/dev/null",        "--write-out", "%{http_code}",
                                       server.url("/file")};
  CHECK(curl(newer).out == "304");
}

TEST_CASE("examples/file_server: curl's ten thousand requests share one connection") {
  file_server server;
  server.add("small", 100);
  const program::result done =
      curl({"--fail-early", "--fail", "--output", "/dev/null", "--write-out",
            "%{http_code} %{size_download} %{num_connects}\n", server.url("/small?[1-10000]")});
  CHECK(done.code == 0);
  CHECK(done.err == "");
  CHECK(tally(done.out) == "9999 200 100 0\n1 200 100 1\n");
}

TEST_SUITE_END();
