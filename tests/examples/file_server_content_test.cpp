#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "examples/file_server_support.hpp"
#include "examples/http_client.hpp"
#include "examples/process_view.hpp"
#include "examples/ship_support.hpp"
#include "support/descriptors.hpp"

// What is served besides plain files: lists, compressed siblings, fields and pages of the user's.

namespace {

namespace fs = std::filesystem;
using support::file_server;
using support::http_answer;
using support::http_client;
using support::program;
using support::request;

http_answer head_of(const file_server& server, std::string_view target,
                    std::string_view fields = "") {
  http_client client(server.address());
  return client.ask(request("HEAD", target, fields), http_client::to::head);
}

/// The targets of a page's links, in their order.
std::vector<std::string> links_in(const std::string& page) {
  const std::string before = "<a href=\"";
  std::vector<std::string> found;
  for (std::size_t at = page.find(before); at != page.npos; at = page.find(before, at)) {
    at += before.size();
    found.push_back(page.substr(at, page.find('"', at) - at));
  }
  return found;
}

}  // namespace

TEST_SUITE_BEGIN("kernel");

TEST_CASE("examples/file_server: a file is sent as its compressed sibling to who takes that") {
  file_server server({"--precompressed"});
  server.add("page.html", 70'000);
  server.add("page.html.gz", "as gzip");
  server.add("page.html.br", "as br");
  server.add("lone.txt", "alone");
  server.add("orphan.txt.gz", "orphan");
  fs::create_directory(server.root() / "folder");
  server.add("folder.gz", "no folder");
  server.add("folder/index.html", "index");
  server.add("folder/index.html.zst", "as zstd");

  const http_answer plain = server.get("/page.html");
  CHECK(support::are_bytes_at(plain.body, 0));
  CHECK_FALSE(plain.has("content-encoding"));
  CHECK(plain.field("vary") == "Accept-Encoding");
  const http_answer zipped = server.get("/page.html", "Accept-Encoding: gzip\r\n");
  CHECK(zipped.body == "as gzip");
  CHECK(zipped.field("content-encoding") == "gzip");
  CHECK(zipped.field("content-type") == plain.field("content-type"));
  CHECK(zipped.field("vary") == "Accept-Encoding");
  const http_answer best =
      server.get("/page.html", "Accept-Encoding: gzip\r\nAccept-Encoding: zstd, br\r\n");
  CHECK(best.body == "as br");
  CHECK(best.field("etag") != zipped.field("etag"));
  CHECK(best.field("etag") != plain.field("etag"));
  CHECK(server.get("/folder/", "Accept-Encoding: zstd\r\n").body == "as zstd");

  CHECK(server.get("/lone.txt", "Accept-Encoding: gzip, br\r\n").body == "alone");
  CHECK(server.get("/orphan.txt", "Accept-Encoding: gzip\r\n").status == 404);
  CHECK(server.get("/folder", "Accept-Encoding: gzip\r\n").status == 301);
  // One that is asked for by its own name is what it is.
  const http_answer itself = server.get("/page.html.gz");
  CHECK(itself.field("content-type") == "application/gzip");
  CHECK_FALSE(itself.has("content-encoding"));
}

TEST_CASE("examples/file_server: ranges and conditions of a compressed file are about that") {
  file_server server({"--precompressed"});
  server.add("file", "0123456789");
  server.add("file.gz", "abcdefghij");
  // The same length and time: still two things.
  fs::last_write_time(server.root() / "file.gz", fs::last_write_time(server.root() / "file"));
  const std::string gzip = "Accept-Encoding: gzip\r\n";
  const std::string plain_tag = server.get("/file").field("etag");
  const std::string gzip_tag = server.get("/file", gzip).field("etag");
  CHECK(plain_tag != gzip_tag);
  const http_answer part = server.get("/file", gzip + "Range: bytes=2-3\r\n");
  CHECK(part.status == 206);
  CHECK(part.body == "cd");
  CHECK(part.field("content-encoding") == "gzip");
  CHECK(part.field("vary") == "Accept-Encoding");
  CHECK(part.field("etag") == gzip_tag);
  const std::string range = "Range: bytes=2-3\r\n";
  CHECK(server.get("/file", gzip + range + "If-Range: " + gzip_tag + "\r\n").body == "cd");
  CHECK(server.get("/file", gzip + range + "If-Range: " + plain_tag + "\r\n").body == "abcdefghij");
  const http_answer known = server.get("/file", gzip + "If-None-Match: " + gzip_tag + "\r\n");
  CHECK(known.status == 304);
  CHECK(known.field("vary") == "Accept-Encoding");
  CHECK_FALSE(known.has("content-encoding"));
  CHECK(server.get("/file", "If-None-Match: " + gzip_tag + "\r\n").status == 200);
}

TEST_CASE("examples/file_server: siblings are for who asks for them on the command line") {
  file_server server;
  server.add("file", "plain");
  server.add("file.gz", "zipped");
  const http_answer got = server.get("/file", "Accept-Encoding: gzip\r\n");
  CHECK(got.body == "plain");
  CHECK_FALSE(got.has("vary"));
}

TEST_CASE("examples/file_server: with files kept open, a new sibling is seen a second later") {
  file_server server({"--precompressed", "--file-cache"});
  server.add("file", "plain");
  const std::string gzip = "Accept-Encoding: gzip\r\n";
  CHECK(server.get("/file", gzip).body == "plain");
  server.add("file.gz", "zipped");
  CHECK(support::comes_true([&] { return server.get("/file", gzip).body == "zipped"; }));
  CHECK(server.get("/file").body == "plain");
}

TEST_CASE("examples/file_server: a directory without an index is listed, for who wants that") {
  file_server server({"--list"});
  const fs::path folder = server.root() / "a&b";
  fs::create_directories(folder / "zoo");
  fs::create_directories(folder / "ant");
  server.add("a&b/z.txt", 12345);
  server.add("a&b/<script>'\"&.txt", "1");
  server.add("a&b/c:d?e#f%g", "2");
  server.add("a&b/\xff\xe2\x80\xae", "3");
  server.add("a&b/.hidden", "4");
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  fs::create_symlink("z.txt", folder / "link");
  fs::create_symlink(folder / "zoo", folder / "there");
  server.add("../secret", 98765);
  fs::create_symlink("../../secret", folder / "out");
  fs::create_symlink("none", folder / "dangling");

  const http_answer got = server.get("/a&b/");
  CHECK(got.status == 200);
  CHECK(got.field("content-type") == "text/html; charset=utf-8");
  const std::string odd = "./%3Cscript%3E&#39;%22&amp;.txt";
  CHECK(links_in(got.body) == std::vector<std::string>{"../", "./ant/", "./there/", "./zoo/", odd,
                                                       "./c:d%3Fe%23f%25g", "./link", "./z.txt",
                                                       "./%FF%E2%80%AE"});
  CHECK(got.body.find("<title>Index of /a&amp;b/</title>") != got.body.npos);
  CHECK(got.body.find("<bdi>&lt;script&gt;&#39;&quot;&amp;.txt</bdi>") != got.body.npos);
  CHECK(got.body.find("<script") == got.body.npos);
  CHECK(got.body.find("<td>12345</td>") != got.body.npos);
  CHECK(got.body.find("98765") == got.body.npos);
  // Its links lead to what they name.
  CHECK(server.get("/a&b/%3Cscript%3E'%22&.txt").body == "1");
  CHECK(server.get("/a&b/c:d%3Fe%23f%25g").body == "2");
  CHECK(server.get("/a&b/%FF%E2%80%AE").body == "3");

  const http_answer head = head_of(server, "/a&b/");
  CHECK(head.content_length() == got.body.size());
  CHECK(server.get("/a&b").status == 301);
  CHECK(server.get("/none/").status == 404);
  CHECK(server.get("/a&b/z.txt/").status == 404);
  CHECK(server.get("/a&b/out/").status == 404);
  server.add("a&b/index.html", "index");
  CHECK(server.get("/a&b/").body == "index");
  CHECK(links_in(server.get("/").body) == std::vector<std::string>{"./a&amp;b/"});
}

TEST_CASE("examples/file_server: a large directory is listed whole, others are served meanwhile") {
  file_server server({"--list"});
  server.add("index.html", "top");
  fs::create_directory(server.root() / "large");
  constexpr std::size_t count = 3000;
  for (std::size_t at = 0; at < count; ++at) {
    std::ofstream(server.root() / "large" / std::to_string(100'000 + at));
  }
  http_client client(server.address());
  client.send(request("GET", "/large/") + request("GET", "/"));
  CHECK(server.get("/").body == "top");
  const std::vector<std::string> links = links_in(client.receive().body);
  CHECK(links.size() == count + 1);
  CHECK(std::is_sorted(links.begin() + 1, links.end()));
  CHECK(client.receive().body == "top");
}

TEST_CASE("examples/file_server: without --list no directory is listed") {
  file_server server;
  CHECK(server.get("/").status == 404);
}

TEST_CASE("examples/file_server: the first index that is there is what a directory is") {
  file_server server({"--index", "home.htm", "--index", "index.html"});
  for (const char* const each : {"both", "second", "none", "odd"}) {
    fs::create_directory(server.root() / each);
  }
  server.add("both/home.htm", "home");
  server.add("both/index.html", "index");
  server.add("second/index.html", "index");
  server.add("none/index.htm", "no index");
  fs::create_directory(server.root() / "odd/home.htm");
  server.add("odd/index.html", "index");
  CHECK(server.get("/both/").body == "home");
  CHECK(server.get("/second/").body == "index");
  CHECK(server.get("/odd/").body == "index");
  CHECK(server.get("/none/").status == 404);
  CHECK(server.get("/both/").field("content-type") == "text/html; charset=utf-8");
}

TEST_CASE("examples/file_server: fields of the user's are in every answer that is no error") {
  file_server server({"--cache-control", "public, max-age=60", "--header", "X-Frame-Options: DENY",
                      "--header", "Access-Control-Allow-Origin:*"});
  server.add("file", 100'000);
  fs::create_directory(server.root() / "folder");
  const std::string tag = server.get("/file").field("etag");
  const auto check = [](const http_answer& got, int status) {
    CHECK(got.status == status);
    const bool is_error = status >= 400;
    CHECK(got.has("cache-control") != is_error);
    if (is_error) return;
    CHECK(got.field("cache-control") == "public, max-age=60");
    CHECK(got.field("x-frame-options") == "DENY");
    CHECK(got.field("access-control-allow-origin") == "*");
  };
  check(server.get("/file"), 200);
  check(server.get("/file", "Range: bytes=0-9\r\n"), 206);
  check(server.get("/file", "If-None-Match: " + tag + "\r\n"), 304);
  check(server.get("/folder"), 301);
  check(head_of(server, "/file"), 200);
  check(server.get("/none"), 404);
  check(server.get("/file", "Range: bytes=100000-\r\n"), 416);
  check(server.get("/file", "If-Match: \"x\"\r\n"), 412);
}

TEST_CASE("examples/file_server: an error is answered with the page that is for it") {
  file_server server({"--error-page", "404=/lost.html", "--error-page", "405=/sub/no.txt",
                      "--error-page", "412=/big", "--error-page", "400=/gone.html", "--error-page",
                      "413=/lost.html"});
  server.add("lost.html", "<p>lost");
  fs::create_directory(server.root() / "sub");
  server.add("sub/no.txt", "no");
  server.add("big", 300'000);
  const http_answer lost = server.get("/none");
  CHECK(lost.status == 404);
  CHECK(lost.body == "<p>lost");
  CHECK(lost.field("content-type") == "text/html; charset=utf-8");
  CHECK_FALSE(lost.has("etag"));
  CHECK_FALSE(lost.closes());
  const http_answer head = head_of(server, "/none");
  CHECK(head.status == 404);
  CHECK(head.content_length() == lost.body.size());
  // No range or condition is about an error.
  CHECK(server.get("/none", "Range: bytes=0-1\r\nIf-None-Match: *\r\n").body == "<p>lost");

  http_client client(server.address());
  const http_answer method = client.ask(request("POST", "/lost.html"));
  CHECK(method.status == 405);
  CHECK(method.field("allow") == "GET, HEAD");
  CHECK(method.body == "no");
  const http_answer condition = client.ask(request("GET", "/lost.html", "If-Match: \"x\"\r\n"));
  CHECK(condition.status == 412);
  CHECK(condition.body.size() == 300'000);
  CHECK(support::are_bytes_at(condition.body, 0));
  CHECK(client.ask(request("GET", "/lost.html")).body == "<p>lost");
  const http_answer large = client.ask(request("GET", "/", "Content-Length: 1000000000\r\n"));
  CHECK(large.status == 413);
  CHECK(large.body == "<p>lost");
  CHECK(large.closes());
  // One that is not there is no reason for another error.
  CHECK(server.get("/%zz").status == 400);
  CHECK(server.get("/%zz").body == "400 Bad Request\n");
}

TEST_CASE("examples/file_server: curl takes compressed files apart") {
  file_server server({"--precompressed"});
  const std::string bytes = support::bytes_at(0, 200'000);
  server.add("file.txt", bytes);
  const fs::path file = server.root() / "file.txt";
  CHECK(support::run_program({support::installed("gzip"), "--keep", file}).code == 0);
  const program::result done =
      support::curl({"--compressed", "--fail", "--write-out", "%{stderr}%{size_download}",
                     server.url("/file.txt")});
  CHECK(done.code == 0);
  CHECK(done.out == bytes);
  CHECK(done.err == std::to_string(fs::file_size(server.root() / "file.txt.gz")));
}

TEST_SUITE_END();
