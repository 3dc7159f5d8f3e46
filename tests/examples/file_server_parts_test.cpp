#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "examples/file_server_support.hpp"
#include "examples/http_client.hpp"
#include "support/descriptors.hpp"

// Requests for a part, or for what has changed.

TEST_SUITE_BEGIN("kernel");

namespace {

namespace fs = std::filesystem;
using support::file_server;
using support::http_answer;
using support::http_client;
using support::request;

constexpr const char* long_ago = "Thu, 01 Jan 1998 00:00:00 GMT";
constexpr const char* far_ahead = "Fri, 01 Jan 2038 00:00:00 GMT";

struct part {
  std::size_t first = 0, last = 0, of = 0;
  std::string body;
};

/// Takes a "bytes 1-2/10" apart.
part range_of(const std::string& text) {
  static const std::regex form("bytes (\\d+)-(\\d+)/(\\d+)");
  std::smatch numbers;
  REQUIRE(std::regex_match(text, numbers, form));
  return {std::stoull(numbers[1]), std::stoull(numbers[2]), std::stoull(numbers[3]), ""};
}

/// Takes a body of multipart/byteranges apart, by the letter of RFC 2046.
std::vector<part> parts_of(const http_answer& answer) {
  static const std::regex form(
      "multipart/byteranges; ?boundary=\"?([0-9A-Za-z'()+_,./:=?-]{1,70})\"?");
  std::smatch type;
  REQUIRE(std::regex_match(answer.field("content-type"), type, form));
  const std::string delimiter = "--" + type[1].str();
  std::vector<part> found;
  std::string left = answer.body;
  if (left.rfind("--", 0) == 0) left.insert(0, "\r\n");
  for (;;) {
    REQUIRE(left.rfind("\r\n" + delimiter, 0) == 0);
    left.erase(0, 2 + delimiter.size());
    if (left.rfind("--", 0) == 0) break;
    const std::size_t empty_line = left.find("\r\n\r\n");
    REQUIRE(empty_line != std::string::npos);
    static const std::regex field("content-range: *([^\r]*)\r\n", std::regex::icase);
    const std::string head = left.substr(2, empty_line);
    std::smatch range;
    REQUIRE(std::regex_search(head, range, field));
    part one = range_of(range[1]);
    one.body = left.substr(empty_line + 4, one.last - one.first + 1);
    left.erase(0, empty_line + 4 + one.body.size());
    found.push_back(one);
  }
  CHECK((left == "--" || left == "--\r\n"));
  return found;
}

}  // namespace

TEST_CASE("examples/file_server: a range is answered with exactly its bytes") {
  file_server server;
  server.add("file", 10'000);
  server.add("empty", "");
  struct row {
    std::string range;
    std::size_t first, last;
  };
  for (const row& at :
       {row{"bytes=0-0", 0, 0}, row{"bytes=0-", 0, 9999}, row{"bytes=1-", 1, 9999},
        row{"bytes=9999-", 9999, 9999}, row{"bytes=100-200", 100, 200},
        row{"bytes=9000-10000", 9000, 9999}, row{"bytes=0-99999999999", 0, 9999},
        row{"bytes=5-99999999999999999999999", 5, 9999}, row{"bytes=-1", 9999, 9999},
        row{"bytes=-10000", 0, 9999}, row{"bytes=-20000", 0, 9999}, row{"Bytes=0-1", 0, 1},
        row{"bytes=0-1,", 0, 1}, row{"bytes= 0-1 , 20000-", 0, 1}}) {
    CAPTURE(at.range);
    const http_answer got = server.get("/file", "Range: " + at.range + "\r\n");
    REQUIRE(got.status == 206);
    const part range = range_of(got.field("content-range"));
    CHECK(range.first == at.first);
    CHECK(range.last == at.last);
    CHECK(range.of == 10'000);
    CHECK(got.body.size() == at.last - at.first + 1);
    CHECK(support::are_bytes_at(got.body, at.first));
    CHECK(got.has("etag"));
  }
}

TEST_CASE("examples/file_server: ranges beyond the file, and what is no range, are no part of it") {
  file_server server;
  server.add("file", 10'000);
  server.add("empty", "");
  for (const std::string_view range :
       {"10000-", "10000-10001", "99999999999999999999-", "-0", "10000-,20000-"}) {
    CAPTURE(range);
    const http_answer got = server.get("/file", "Range: bytes=" + std::string(range) + "\r\n");
    CHECK(got.status == 416);
    CHECK(got.field("content-range") == "bytes */10000");
  }
  for (const std::string_view range : {"0-", "0-999", "-5"}) {
    CAPTURE(range);
    const http_answer empty = server.get("/empty", "Range: bytes=" + std::string(range) + "\r\n");
    CHECK(empty.status == 200);
    CHECK(empty.content_length() == 0);
  }
  // Another unit must be ignored. What is no range may be, or be refused.
  CHECK(server.get("/file", "Range: lines=1-2\r\n").status == 200);
  for (const std::string_view range :
       {"bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-4", "bytes=1", "bytes=--1",
        "bytes=0-1-2", "bytes=+1-2", "bytes=0x1-2", "bytes=1 - 2", "bytes=0-1;2-3", "bytes=,"}) {
    CAPTURE(range);
    const http_answer got = server.get("/file", "Range: " + std::string(range) + "\r\n");
    CHECK((got.status == 200 || got.status == 400 || got.status == 416));
    if (got.status == 200) CHECK(got.body.size() == 10'000);
  }
  http_client client(server.address());
  const http_answer head =
      client.ask(request("HEAD", "/file", "Range: bytes=0-1\r\n"), http_client::to::head);
  CHECK(head.status == 200);  // ranges are for GET
  CHECK(head.content_length() == 10'000);
}

TEST_CASE("examples/file_server: several ranges come in parts, in the order of the request") {
  file_server server;
  server.add("page.html", 100'000);
  http_client client(server.address());
  const http_answer got =
      client.ask(request("GET", "/page.html", "Range: bytes=0-1,500-70000,200-299, -7\r\n"));
  REQUIRE(got.status == 206);
  CHECK(!got.has("content-range"));
  const std::vector<part> parts = parts_of(got);
  REQUIRE(parts.size() == 4);
  const std::size_t firsts[] = {0, 500, 200, 99'993};
  const std::size_t lasts[] = {1, 70'000, 299, 99'999};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    CAPTURE(i);
    CHECK(parts[i].first == firsts[i]);
    CHECK(parts[i].last == lasts[i]);
    CHECK(parts[i].of == 100'000);
    CHECK(support::are_bytes_at(parts[i].body, parts[i].first));
  }
  CHECK(client.ask(request("GET", "/page.html", "Range: bytes=0-1\r\n")).body.size() == 2);
}

TEST_CASE("examples/file_server: no set of ranges makes it send much more than the file") {
  file_server server;
  server.add("file", 100'000);
  std::string whole = "bytes=0-";
  std::string single = "bytes=0-0";
  std::string nested = "bytes=0-99999";
  for (int i = 1; i < 800; ++i) {
    whole += ",0-";
    single += ",0-0";
    nested += "," + std::to_string(i) + "-";
  }
  for (const std::string& range : {whole, single, nested}) {
    CAPTURE(range.substr(0, 40));
    const http_answer got = server.get("/file", "Range: " + range + "\r\n");
    CHECK((got.status == 200 || got.status == 206 || got.status == 416 || got.status == 431));
    CHECK(got.body.size() <= 200'000);
  }
}

TEST_CASE("examples/file_server: conditions hold as RFC 9110 has them") {
  file_server server;
  server.add("file", 10'000);
  const http_answer plain = server.get("/file");
  const std::string& tag = plain.field("etag");
  const std::string& date = plain.field("last-modified");
  REQUIRE(tag.front() == '"');  // a strong one
  const std::string range = "Range: bytes=0-9\r\n";
  struct row {
    std::string fields;
    int status;
  };
  const std::vector<row> rows{
      {"If-None-Match: " + tag + "\r\n", 304},
      {"If-None-Match: W/" + tag + "\r\n", 304},
      {"If-None-Match: \"other\", " + tag + "\r\n", 304},
      {"If-None-Match: \"other\"," + tag + ",\"more\"\r\n", 304},
      {"If-None-Match: *\r\n", 304},
      {"If-None-Match: \"other\"\r\n", 200},
      {"If-None-Match: \"a,b\", " + tag + "\r\n", 304},
      {"If-None-Match: \"x" + tag.substr(1) + "\r\n", 200},
      {"If-None-Match: \"other\"\r\nIf-None-Match: " + tag + "\r\n", 304},
      {"If-Modified-Since: " + date + "\r\n", 304},
      {"If-Modified-Since: " + std::string(far_ahead) + "\r\n", 304},
      {"If-Modified-Since: " + std::string(long_ago) + "\r\n", 200},
      {"If-Modified-Since: Thursday, 01-Jan-98 00:00:00 GMT\r\n", 200},
      {"If-Modified-Since: Thu Jan  1 00:00:00 1998\r\n", 200},
      {"If-Modified-Since: Fri Jan  1 00:00:00 2038\r\n", 304},
      {"If-Modified-Since: yesterday\r\n", 200},
      {"If-Modified-Since: Fri, 32 Jan 2038 00:00:00 GMT\r\n", 200},
      // The tag counts, and the date does not.
      {"If-None-Match: \"other\"\r\nIf-Modified-Since: " + date + "\r\n", 200},
      {"If-None-Match: " + tag + "\r\nIf-Modified-Since: " + long_ago + "\r\n", 304},
      {"If-Match: " + tag + "\r\n", 200},
      {"If-Match: *\r\n", 200},
      {"If-Match: \"other\", " + tag + "\r\n", 200},
      {"If-Match: \"other\"\r\n", 412},
      {"If-Match: W/" + tag + "\r\n", 412},
      {"If-Unmodified-Since: " + date + "\r\n", 200},
      {"If-Unmodified-Since: " + std::string(far_ahead) + "\r\n", 200},
      {"If-Unmodified-Since: " + std::string(long_ago) + "\r\n", 412},
      {"If-Unmodified-Since: yesterday\r\n", 200},
      {"If-Match: " + tag + "\r\nIf-Unmodified-Since: " + long_ago + "\r\n", 200},
      {"If-Match: \"other\"\r\nIf-None-Match: " + tag + "\r\n", 412},
      {"If-Match: " + tag + "\r\nIf-None-Match: " + tag + "\r\n", 304},
      {range + "If-Range: " + tag + "\r\n", 206},
      {range + "If-Range: \"other\"\r\n", 200},
      {range + "If-Range: W/" + tag + "\r\n", 200},
      {range + "If-Range: " + date + "\r\n", 206},
      {range + "If-Range: " + std::string(long_ago) + "\r\n", 200},
      {range + "If-Range: " + std::string(far_ahead) + "\r\n", 200},
      {range + "If-Range: yesterday\r\n", 200},
      {"Range: bytes=20000-\r\nIf-Range: \"other\"\r\n", 200},
      {"If-Range: \"other\"\r\n", 200},
      // A condition comes before a range.
      {range + "If-None-Match: " + tag + "\r\n", 304},
      {range + "If-Match: \"other\"\r\n", 412},
      {range + "If-Match: " + tag + "\r\n", 206},
  };
  for (const row& at : rows) {
    CAPTURE(at.fields);
    http_client client(server.address());
    const http_answer got = client.ask(request("GET", "/file", at.fields));
    CHECK(got.status == at.status);
    if (got.status == 304) {
      CHECK(got.field("etag") == tag);
      // Had it a body, that would be taken for the next answer.
      CHECK(client.ask(request("GET", "/file")).status == 200);
    }
    const http_answer head = http_client(server.address())
                                 .ask(request("HEAD", "/file", at.fields), http_client::to::head);
    CHECK(head.status == (at.status == 206 ? 200 : at.status));
  }
  // Conditions are on what is there.
  CHECK(server.get("/none", "If-None-Match: *\r\n").status == 404);
  CHECK(server.get("/none", "If-Match: *\r\n").status >= 400);
}

TEST_CASE("examples/file_server: a file's tag changes with it, and is its copy's") {
  file_server server;
  const fs::path file = server.add("file", "first");
  const std::string first = server.get("/file").field("etag");
  CHECK(server.get("/file").field("etag") == first);

  fs::resize_file(file, 4);
  const std::string shorter = server.get("/file").field("etag");
  CHECK(shorter != first);

  fs::last_write_time(file, fs::last_write_time(file) - std::chrono::microseconds(10));
  const std::string older = server.get("/file").field("etag");
  CHECK(older != shorter);

  // A copy of it, as on another machine.
  const fs::path copy = server.add("copy", "firs");
  fs::last_write_time(copy, fs::last_write_time(file));
  CHECK(server.get("/copy").field("etag") == older);

  const fs::path other = server.add("other", "diff");
  fs::last_write_time(other, fs::last_write_time(file) + std::chrono::microseconds(20));
  fs::rename(other, file);
  CHECK(server.get("/file").body == "diff");
  CHECK(server.get("/file").field("etag") != older);
}

TEST_SUITE_END();
