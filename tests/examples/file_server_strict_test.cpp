#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "../examples/file_server/content_type.hpp"
#include "../examples/file_server/request.hpp"
#include "examples/file_server_support.hpp"
#include "examples/http_client.hpp"
#include "support/process.hpp"

// Requests that are read otherwise by the careless: what is refused, what is not, and when.

namespace {

using namespace std::chrono_literals;
using file_server::request;
using file_server::status;
using support::http_answer;
using support::http_client;

std::string head_with(std::string_view lines, std::string_view version = "1.1") {
  return std::string("GET /file HTTP/").append(version) + "\r\nHost: h\r\n" + std::string(lines) +
         "\r\n";
}

std::optional<status> refused(const std::string& head) {
  request into;
  return file_server::parse_request(head, into);
}

}  // namespace

TEST_SUITE_BEGIN("unit");

TEST_CASE("file_server: later minor versions of HTTP/1 are HTTP/1.1") {
  for (const std::string_view version : {"1.2", "1.3", "1.9"}) {
    CAPTURE(version);
    const std::string head = head_with("Range: bytes=1-2\r\n", version);
    request asked;
    CHECK_FALSE(file_server::parse_request(head, asked));
    CHECK(asked.method == request::verb::get);
    CHECK(asked.target == "/file");
    CHECK(asked.http_1_1);
    CHECK(asked.keep_alive);
    CHECK(asked.range == "bytes=1-2");
    CHECK(refused(head_with("Host: h\r\n", version)) == status::bad_request);
  }
}

TEST_CASE("file_server: a field that may stand once and stands twice is a bad request") {
  for (const std::string_view line :
       {"Host: h\r\n", "Content-Length: 3\r\n", "Range: bytes=0-1\r\n", "If-Range: \"a\"\r\n",
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"}) {
    CAPTURE(line);
    const std::string once(line);
    if (once != "Host: h\r\n") CHECK_FALSE(refused(head_with(once)));
    CHECK(refused(head_with(once + once)) == status::bad_request);
    CHECK(refused(head_with(once + "A: b\r\n" + once)) == status::bad_request);
  }
  // Those that are lists may be split (RFC 9110, section 5.3).
  for (const std::string_view line : {"If-Match: \"a\"\r\n", "If-None-Match: \"a\"\r\n",
                                      "Accept-Encoding: gzip\r\n", "Connection: a\r\n"}) {
    CAPTURE(line);
    CHECK_FALSE(refused(head_with(std::string(line).append(line))));
  }
}

TEST_CASE("file_server: what can begin no head is known by its first wrong byte") {
  struct row {
    std::string_view good, wrong;
  };
  for (const row& at :
       {row{"", "\x16\x03"}, row{"GE", "@"}, row{"GET", "\t"}, row{"GET /", "\x01"},
        row{"GET /a HTTP", "S/1.1\r\n"}, row{"GET /a ", "HTTP/x.1\r\n"}, row{"GET ", "/a\r\n"},
        row{"GET /a HTTP/1.1\r\nHost", " "}, row{"GET /a HTTP/1.1\r\n", ": "},
        row{"GET /a HTTP/1.1\r\nRange: h\r\n", "Range: h\r\nA"},
        row{"GET /a HTTP/1.1\r\nA: b", "\x01\r\n"}}) {
    CAPTURE(at.good);
    CHECK_FALSE(file_server::refuse_beginning(at.good));
    CHECK(file_server::refuse_beginning(std::string(at.good).append(at.wrong)) ==
          status::bad_request);
  }
}

TEST_CASE("file_server: no beginning of a head that is taken is refused") {
  for (const std::string_view version : {"1.0", "1.1", "1.2"}) {
    const std::string head = head_with("Content-Length: 3\r\nRange: bytes=0-1\r\nA:\r\n", version);
    REQUIRE_FALSE(refused(head));
    for (std::size_t size = 0; size < head.size(); ++size) {
      CAPTURE(size);
      CHECK_FALSE(file_server::refuse_beginning(head.substr(0, size)));
    }
  }
  // What is refused for its version is so when all of it is there.
  CHECK_FALSE(file_server::refuse_beginning("GET / HTTP/2.0\r\n"));
}

TEST_CASE("file_server: what is common on the web has a type") {
  struct row {
    std::string_view name, type;
  };
  for (const row& at :
       {row{"a.vtt", "text/vtt; charset=utf-8"}, row{"a.js.map", "application/json"},
        row{"a.yaml", "application/yaml"}, row{"a.yml", "application/yaml"},
        row{"a.tgz", "application/gzip"}, row{"a.m4s", "video/iso.segment"},
        row{"a.m4v", "video/x-m4v"},
        row{"a.docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml."
            "document"},
        row{"a.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
        row{"a.HEIC", "image/heic"}, row{"a.geojson", "application/geo+json"},
        row{"a.3gp", "video/3gpp"}, row{"a.avi", "video/x-msvideo"},
        row{"a.webmanifest", "application/manifest+json"}}) {
    CAPTURE(at.name);
    CHECK(file_server::content_type(at.name) == at.type);
  }
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("kernel");

TEST_CASE("examples/file_server: garbage that can begin no request is refused at once") {
  // Long enough that none of them is what ends the connection.
  support::file_server server({"--header-timeout", "600", "--idle-timeout", "600"});
  server.add("file", "content");
  for (const std::string_view garbage :
       {std::string_view("\x16\x03\x01\x02"), std::string_view("\0", 1), std::string_view("\x80"),
        std::string_view("hello\r\n"), std::string_view("GET /file\r\n"),
        std::string_view("GET /file HTTP/1.1\r\nHost: h\r\n: bad\r\n"),
        std::string_view("SSH-2.0-OpenSSH_9.2\r\n")}) {
    CAPTURE(garbage);
    http_client client(server.address());
    client.send(garbage);
    const http_answer got = client.receive();
    CHECK(got.status == 400);
    CHECK(got.closes());
    CHECK(client.ends());
  }
  // The halves of an empty line in front of a request are not garbage.
  http_client patient(server.address());
  for (const std::string_view piece : {"\r", "\n", "\r\n\r", "\n"}) {
    patient.send(piece);
    CHECK_FALSE(patient.hears_within(30ms));
  }
  CHECK(patient.ask(head_with("")).body == "content");
}

TEST_CASE("examples/file_server: a method that is not for files is what is said of a large body") {
  support::file_server server;
  server.add("file", "content");
  for (const std::string_view fields : {"Content-Length: 1000000000\r\n",
                                        "Content-Length: 1000000000\r\nExpect: 100-continue\r\n"}) {
    CAPTURE(fields);
    http_client client(server.address());
    client.send(support::request("POST", "/file", fields));
    const http_answer got = client.receive();
    CHECK(got.status == 405);
    CHECK(got.field("allow") == "GET, HEAD");
    CHECK(got.closes());
  }
  CHECK(server.get("/file", "Content-Length: 1000000000\r\n").status == 413);
}

TEST_CASE("examples/file_server: who does not read is let go of when the time for it is over") {
  support::file_server server({"--send-timeout", "2"});
  server.add("big", 64 << 20);
  http_client client(server.address(), {.receive_buffer_bytes = 64 << 10});
  const auto began = std::chrono::steady_clock::now();
  client.send(support::request("GET", "/big"));
  CHECK(server.comes_to_clients(1));
  CHECK(server.comes_to_clients(0));
  const auto took = std::chrono::steady_clock::now() - began;
  CHECK(took >= 2s);
  CHECK(took < 3s * support::slowdown());
}

TEST_SUITE_END();
