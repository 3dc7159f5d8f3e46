#include <doctest/doctest.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "../examples/file_server/content_type.hpp"
#include "../examples/file_server/target.hpp"

TEST_SUITE_BEGIN("unit");

namespace {

using file_server::content_type;
using file_server::status;

std::optional<file_server::target> parse(std::string_view raw) {
  file_server::target into;
  const std::optional<status> bad = file_server::parse_target(raw, into);
  if (!bad) return into;
  CHECK(*bad == status::bad_request);
  return {};
}

std::string path_of(std::string_view raw) {
  const std::optional<file_server::target> parsed = parse(raw);
  return parsed ? parsed->path : "none";
}

std::string escaped(std::string_view path) {
  std::array<char, 256> memory{};
  file_server::text to(memory);
  file_server::add_escaped(to, path);
  return std::string(to.view());
}

}  // namespace

TEST_CASE("file_server: a target is the path of a file") {
  CHECK(path_of("/").empty());
  CHECK(path_of("/a") == "a");
  CHECK(path_of("/a/b.txt") == "a/b.txt");
  CHECK(path_of("/a/b/") == "a/b");
  CHECK(path_of("//a///b") == "a/b");
  CHECK(path_of("/...") == "...");
  CHECK(path_of("/.hidden") == ".hidden");
}

TEST_CASE("file_server: a target says whether it means a directory") {
  for (const std::string_view raw : {"/", "/a/", "/a//", "/a/.", "/a/b/..", "/.", "http://h"}) {
    CAPTURE(raw);
    CHECK(parse(raw)->names_directory);
  }
  for (const std::string_view raw : {"/a", "//a", "/./a", "/b/../a", "/a?b/", "/a..", "/..a"}) {
    CAPTURE(raw);
    CHECK_FALSE(parse(raw)->names_directory);
  }
}

TEST_CASE("file_server: dots go up and never out") {
  CHECK(path_of("/a/../b") == "b");
  CHECK(path_of("/a/b/../../c") == "c");
  CHECK(path_of("/a/./b/.") == "a/b");
  CHECK(path_of("/a/..").empty());
  for (const std::string_view raw : {"/..", "/../a", "/a/../..", "/a/../../b", "/%2e%2e/a",
                                     "/a/%2E./../b/../..", "/..%2f..%2fetc/passwd"}) {
    CAPTURE(raw);
    CHECK_FALSE(parse(raw));
  }
}

TEST_CASE("file_server: escapes are undone once") {
  CHECK(path_of("/a%20b") == "a b");
  CHECK(path_of("/%41%5a%7E") == "AZ~");
  CHECK(path_of("/a%2Fb") == "a/b");
  CHECK(path_of("/%2541") == "%41");
  CHECK(path_of("/a+b") == "a+b");
  CHECK(path_of("/%C3%A4") == "\xC3\xA4");
  CHECK(path_of("/a%3Fb") == "a?b");
}

TEST_CASE("file_server: a bad escape or a zero byte is a bad request") {
  for (const std::string_view raw :
       {"/%", "/%4", "/%4g", "/%g4", "/a%", "/%%41", "/%00", "/a%00b", "/%-1", "/%+1", "/% 1"}) {
    CAPTURE(raw);
    CHECK_FALSE(parse(raw));
  }
  CHECK_FALSE(parse(std::string_view("/a\0b", 4)));
}

TEST_CASE("file_server: the query is no part of the path") {
  CHECK(path_of("/a?b/../..%00") == "a");
  CHECK(parse("/a?b=1?c")->query == "?b=1?c");
  CHECK(parse("/a?")->query == "?");
  CHECK(parse("/a")->query.empty());
  CHECK(parse("/?x")->query == "?x");
  CHECK(path_of("/a#b") == "a");
}

TEST_CASE("file_server: a target may be a whole URL") {
  CHECK(path_of("http://example.org/a/b?c") == "a/b");
  CHECK(path_of("HTTPS://example.org:8080/a") == "a");
  CHECK(path_of("http://example.org").empty());
  CHECK(parse("http://example.org?q=/x")->query == "?q=/x");
  CHECK(path_of("http://example.org?q=/x").empty());
}

TEST_CASE("file_server: what is no path is a bad request") {
  for (const std::string_view raw : {"", "*", "a", "a/b", "http://", "http:///a", "ftp://h/a",
                                     "example.org:80", "?", "..", "./a", "http:/a"}) {
    CAPTURE(raw);
    CHECK_FALSE(parse(raw));
  }
}

TEST_CASE("file_server: an escaped path is a target that means it") {
  CHECK(escaped("a b/c") == "a%20b/c");
  CHECK(escaped("%?#\"<>\r\n\\") == "%25%3F%23%22%3C%3E%0D%0A%5C");
  CHECK(escaped("\xC3\xA4") == "%C3%A4");
  std::string every;
  for (int code = 1; code < 256; ++code) {
    if (code != '/') every.push_back(static_cast<char>(code));
  }
  std::array<char, 1024> memory{};
  file_server::text to(memory);
  to.add('/');
  file_server::add_escaped(to, every);
  CHECK(path_of(to.view()) == every);
}

TEST_CASE("file_server: the extension says what a file is") {
  CHECK(content_type("a/b.html") == "text/html; charset=utf-8");
  CHECK(content_type("B.HtMl") == "text/html; charset=utf-8");
  CHECK(content_type("a.tar.gz") == "application/gzip");
  CHECK(content_type("x.7z") == "application/x-7z-compressed");
  CHECK(content_type("x.zst") == "application/zstd");
  CHECK(content_type("a.webmanifest") == "application/manifest+json");
}

TEST_CASE("file_server: a file without a known extension is bytes") {
  for (const std::string_view path :
       {"", "a", "html", ".html", "a/.png", "a.html/b", "a.", "a.htmlx", "a.htm l",
        "a.webmanifestx", "a.exe~", "a.ht\xC3"}) {
    CAPTURE(path);
    CHECK(content_type(path) == "application/octet-stream");
  }
}

TEST_SUITE_END();
