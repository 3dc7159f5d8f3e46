#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "examples/file_server_support.hpp"
#include "examples/http_client.hpp"
#include "support/descriptors.hpp"

// Well-formed requests, and what RFC 9110 has to be answered.

TEST_SUITE_BEGIN("kernel");

namespace {

namespace fs = std::filesystem;
using support::file_server;
using support::http_answer;
using support::http_client;
using support::request;

/// The fields that HEAD, 304 and 206 have in common with the answer to GET.
std::vector<std::string> described(const http_answer& by) {
  std::vector<std::string> found;
  for (const std::string_view name : {"content-type", "etag", "last-modified", "accept-ranges"}) {
    found.push_back(by.field(name));
  }
  return found;
}

}  // namespace

TEST_CASE("examples/file_server: HEAD says what GET does, without a body") {
  file_server server;
  server.add("empty", "");
  server.add("page.html", 5000);
  fs::create_directory(server.root() / "folder");
  for (const std::string_view target : {"/empty", "/page.html", "/folder", "/none", "/%zz"}) {
    CAPTURE(target);
    const http_answer full = server.get(target);
    http_client client(server.address());
    const http_answer head = client.ask(request("HEAD", target), http_client::to::head);
    CHECK(head.status == full.status);
    CHECK(head.content_length() == full.content_length());
    CHECK(head.fields.size() == full.fields.size());
    if (full.status == 200) CHECK(described(head) == described(full));
    if (head.closes()) {
      CHECK(client.ends());
    } else {
      CHECK(client.ask(request("GET", "/page.html")).body == support::bytes_at(0, 5000));
    }
  }
}

TEST_CASE("examples/file_server: what a file is follows from its name") {
  file_server server;
  struct row {
    std::string name, type;
  };
  for (const row& at :
       {row{"a.html", "text/html"}, row{"a.HTML", "text/html"}, row{"a.css", "text/css"},
        row{"a.js", "text/javascript"}, row{"a.json", "application/json"},
        row{"a.png", "image/png"}, row{"a.jpg", "image/jpeg"}, row{"a.svg", "image/svg+xml"},
        row{"a.txt", "text/plain"}, row{"a.pdf", "application/pdf"},
        row{"a.wasm", "application/wasm"}, row{"a.mp4", "video/mp4"},
        row{"a", "application/octet-stream"}, row{"a.unheard-of", "application/octet-stream"},
        row{"a.tar.gz", "application/gzip"}}) {
    CAPTURE(at.name);
    server.add(at.name, 1);
    const std::string type = server.get("/" + at.name).field("content-type");
    CHECK(type.substr(0, type.find(';')) == at.type);
  }
}

TEST_CASE("examples/file_server: whatever a name is made of, its target finds it") {
  file_server server;
  server.add("with space", "1");
  server.add("100%", "2");
  server.add("\xc3\xa4", "3");  // UTF-8
  server.add("a+b&c=d;e", "4");
  server.add("what?", "5");
  server.add("...", "6");
  server.add(".hidden~", "7");
  server.add("back\\slash", "8");
  fs::create_directory(server.root() / "a b");
  server.add("a b/c", "9");
  struct row {
    std::string target, body;
  };
  for (const row& at :
       {row{"/with%20space", "1"}, row{"/100%25", "2"}, row{"/%C3%A4", "3"}, row{"/%c3%a4", "3"},
        row{"/a+b&c=d;e", "4"}, row{"/what%3F", "5"}, row{"/what%3f?query?more", "5"},
        row{"/...", "6"}, row{"/.hidden~", "7"}, row{"/%2ehidden%7E", "7"},
        row{"/back%5Cslash", "8"}, row{"/a%20b/c", "9"}, row{"/a%20b/./c", "9"},
        row{"/a%20b/../a%20b/c", "9"}, row{"http://localhost/100%25", "2"},
        row{"http://else.where:81/...", "6"}, row{"HTTP://localhost/...?query", "6"}}) {
    CAPTURE(at.target);
    const http_answer got = server.get(at.target);
    CHECK(got.status == 200);
    CHECK(got.body == at.body);
  }
}

TEST_CASE("examples/file_server: no target leads out of the root") {
  file_server server;
  const fs::path outside = server.root().parent_path();
  fs::create_directory(outside / "root-private");
  server.add("../secret", "outside");
  server.add("../root-private/secret", "outside");
  server.add("file", "inside");
  fs::create_directory(server.root() / "folder");
  fs::create_symlink("../secret", server.root() / "relative");
  fs::create_symlink(outside / "secret", server.root() / "absolute");
  fs::create_symlink("..", server.root() / "up");
  fs::create_symlink("/", server.root() / "slash");
  fs::create_symlink("relative", server.root() / "twice");
  fs::create_symlink("/proc/self/root", server.root() / "magic");
  fs::create_symlink("/proc/self/fd", server.root() / "open");
  fs::create_symlink("nowhere", server.root() / "dangling");
  fs::create_symlink("circle", server.root() / "circle");
  const std::string deep = (outside / "secret").string();
  for (const std::string& target : {std::string("/../secret"),
                                    std::string("/..%2fsecret"),
                                    std::string("/%2e%2e/secret"),
                                    std::string("/%2E%2E%2Fsecret"),
                                    std::string("/.%2e/secret"),
                                    std::string("//../secret"),
                                    std::string("/./../secret"),
                                    std::string("/folder/../../secret"),
                                    std::string("/folder/..%2f..%2fsecret"),
                                    std::string("/folder/%2e%2e/%2e%2e/secret"),
                                    std::string("/%252e%252e/secret"),
                                    std::string("/..%5csecret"),
                                    std::string("/..\\secret"),
                                    std::string("/..%c0%afsecret"),
                                    std::string("/..;/secret"),
                                    std::string("/../root-private/secret"),
                                    std::string("-private/secret"),
                                    std::string("/%2froot-private/secret"),
                                    "/" + deep,
                                    deep,
                                    "/%2f" + deep.substr(1),
                                    "file://" + deep,
                                    std::string("http://localhost/../secret"),
                                    std::string("http://localhost/%2e%2e/secret"),
                                    std::string("/relative"),
                                    std::string("/absolute"),
                                    std::string("/up/secret"),
                                    std::string("/up/root/file"),
                                    "/slash" + deep,
                                    std::string("/twice"),
                                    "/magic" + deep,
                                    std::string("/open/3"),
                                    std::string("/dangling"),
                                    std::string("/circle"),
                                    std::string("/file/"),
                                    std::string("/file/../file/x")}) {
    CAPTURE(target);
    const http_answer got = server.get(target);
    CHECK(got.status >= 400);
    CHECK(got.status < 500);
    CHECK(got.body.find("outside") == std::string::npos);
    // Nor does it say where the root is.
    CHECK(got.body.find(outside.string()) == std::string::npos);
  }
  fs::create_symlink("../file", server.root() / "folder/within");
  CHECK(server.get("/folder/within").body == "inside");
}

TEST_CASE("examples/file_server: only files that may be read are served") {
  file_server server({}, {.obeys_permissions = true});
  fs::create_directory(server.root() / "folder");
  fs::create_directory(server.root() / "closed");
  server.add("closed/file", 10);
  fs::permissions(server.root() / "closed", fs::perms::none);
  fs::permissions(server.add("private", 10), fs::perms::none);
  REQUIRE(::mkfifo((server.root() / "fifo").c_str(), 0600) == 0);
  for (const std::string_view target : {"/", "/folder/", "/fifo"}) {
    CAPTURE(target);
    const int status = server.get(target).status;
    CHECK((status == 403 || status == 404));
  }
  CHECK(server.get("/private").status == 403);
  CHECK(server.get("/closed/file").status == 403);
  CHECK(server.get("/none").status == 404);
  CHECK(server.get("/none/none").status == 404);
  CHECK(server.get("/" + std::string(300, 'a')).status == 404);  // longer than a name may be
  fs::permissions(server.root() / "closed", fs::perms::all);
}

TEST_CASE("examples/file_server: a directory is found with or without its slash") {
  file_server server;
  fs::create_directory(server.root() / "a folder");
  server.add("a folder/index.html", "within");
  server.add("index.html", "top");
  CHECK(server.get("/").body == "top");
  CHECK(server.get("/?query").body == "top");
  CHECK(server.get("/a%20folder/").body == "within");
  CHECK(server.get("/a%20folder/").field("content-type").rfind("text/html", 0) == 0);
  for (const auto& [target, place] :
       {std::pair{"/a%20folder", "/a%20folder/"}, {"/a%20folder?x=y", "/a%20folder/?x=y"}}) {
    const http_answer got = server.get(target);
    CHECK(got.status == 301);
    const std::string to = got.field("location");
    CAPTURE(to);
    // The whole address, or from the slash on.
    CHECK((to == place || to == "http://localhost" + std::string(place)));
  }
  // Two slashes would name a host.
  fs::create_directory(server.root() / "evil.org");
  const http_answer got = server.get("//evil.org");
  if (got.status == 301) CHECK(got.field("location").rfind("//", 0) != 0);
}

TEST_CASE("examples/file_server: methods that are not for files are refused, with those that are") {
  file_server server;
  server.add("file", "as it was");
  for (const std::string_view method :
       {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "get"}) {
    CAPTURE(method);
    http_client client(server.address());
    client.send(request(method, "/file"));
    const http_answer got = client.receive();
    CHECK((got.status == 405 || got.status == 501));
    if (got.status == 405) CHECK(got.field("allow") == "GET, HEAD");
    CHECK(got.body.find("as it was") == std::string::npos);
  }
  CHECK(server.get("/file").body == "as it was");
}

TEST_CASE("examples/file_server: a connection stays or ends as its client wants") {
  file_server server;
  server.add("file", "content");
  struct row {
    std::string version, fields;
    bool stays;
  };
  for (const row& at : {row{"1.1", "", true}, row{"1.1", "Connection: close\r\n", false},
                        row{"1.1", "Connection: keep-alive\r\n", true},
                        row{"1.1", "Connection: TE, Close\r\n", false},
                        row{"1.1", "Connection: TE\r\nConnection: close\r\n", false},
                        row{"1.1", "Connection: closed\r\n", true}, row{"1.0", "", false},
                        row{"1.0", "Connection: close\r\n", false},
                        row{"1.0", "Connection: Keep-Alive\r\n", true}}) {
    CAPTURE(at.version);
    CAPTURE(at.fields);
    const std::string one =
        "GET /file HTTP/" + at.version + "\r\nHost: localhost\r\n" + at.fields + "\r\n";
    http_client client(server.address());
    const http_answer first = client.ask(one);
    CHECK(first.body == "content");
    if (at.stays) {
      CHECK(client.ask(one).body == "content");
      // Who speaks HTTP/1.0 is told so, and takes silence for an end.
      if (at.version == "1.0") CHECK(first.field("connection").size() == 10);
    } else {
      // Who would stay by itself is told that it ends.
      if (at.version == "1.1") CHECK(first.closes());
      CHECK(client.ends());
    }
  }
  http_client ancient(server.address());
  CHECK(ancient.ask("GET /file HTTP/1.0\r\n\r\n").body == "content");  // knows of no hosts
  CHECK(ancient.ends());
}

TEST_CASE("examples/file_server: files beyond 4 GiB are served") {
  file_server server;
  const std::uint64_t size = 6'000'000'000;
  fs::resize_file(server.add("huge", 0), size);
  http_client client(server.address());
  CHECK(client.ask(request("HEAD", "/huge"), http_client::to::head).content_length() == size);
  const http_answer part =
      client.ask(request("GET", "/huge", "Range: bytes=5000000000-5000000009\r\n"));
  CHECK(part.status == 206);
  CHECK(part.field("content-range") == "bytes 5000000000-5000000009/6000000000");
  CHECK(part.body == std::string(10, '\0'));
}

TEST_SUITE_END();
