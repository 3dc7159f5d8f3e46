#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "../examples/file_server/access_log.hpp"
#include "../examples/file_server/file.hpp"
#include "../examples/file_server/reply.hpp"

TEST_SUITE_BEGIN("unit");

namespace {

using file_server::byte_range;
using file_server::description;
using file_server::manner;
using file_server::reply;
using file_server::request;
using file_server::status;
using file_server::text;

constexpr file_server::seconds modified = 784'111'777;
constexpr file_server::seconds now = modified + 1'000'000;
constexpr std::string_view date = "Fri, 18 Nov 1994 22:36:17 GMT";
constexpr manner kept{date, true, true};
constexpr description about{"text/plain", "\"tag\"", 100, modified};

request get() {
  request asked;
  asked.method = request::verb::get;
  return asked;
}

reply decide(const request& asked) { return file_server::decide(asked, about, now); }

template <class Add>
std::string made(Add add) {
  std::array<char, 4096> memory{};
  text to(memory);
  add(to);
  return std::string(to.view());
}

std::string file_head(const request& asked) {
  return made([&asked](text& to) { add_file_head(to, decide(asked), about, kept); });
}

std::string ranged(std::string_view range) {
  request asked = get();
  asked.range = range;
  return file_head(asked);
}

}  // namespace

TEST_CASE("file_server: a file's head says all there is to know of it") {
  CHECK(file_head(get()) ==
        "HTTP/1.1 200 OK\r\n"
        "Server: zc\r\n"
        "Date: Fri, 18 Nov 1994 22:36:17 GMT\r\n"
        "Content-Type: text/plain\r\n"
        "Content-Length: 100\r\n"
        "Accept-Ranges: bytes\r\n"
        "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        "ETag: \"tag\"\r\n"
        "\r\n");
}

TEST_CASE("file_server: who has the file is told so, without its length") {
  request asked = get();
  asked.if_none_match.add("\"tag\"");
  CHECK(file_head(asked) ==
        "HTTP/1.1 304 Not Modified\r\n"
        "Server: zc\r\n"
        "Date: Fri, 18 Nov 1994 22:36:17 GMT\r\n"
        "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        "ETag: \"tag\"\r\n"
        "\r\n");
}

TEST_CASE("file_server: a part's head says which part it is") {
  CHECK(ranged("bytes=10-19") ==
        "HTTP/1.1 206 Partial Content\r\n"
        "Server: zc\r\n"
        "Date: Fri, 18 Nov 1994 22:36:17 GMT\r\n"
        "Content-Type: text/plain\r\n"
        "Content-Length: 10\r\n"
        "Content-Range: bytes 10-19/100\r\n"
        "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        "ETag: \"tag\"\r\n"
        "\r\n");
}

TEST_CASE("file_server: a part that cannot be had is answered with the file's length") {
  CHECK(ranged("bytes=100-") ==
        "HTTP/1.1 416 Range Not Satisfiable\r\n"
        "Server: zc\r\n"
        "Date: Fri, 18 Nov 1994 22:36:17 GMT\r\n"
        "Content-Range: bytes */100\r\n"
        "Content-Length: 0\r\n"
        "\r\n");
}

TEST_CASE("file_server: several parts are as long together as their head says") {
  request asked = get();
  asked.range = "bytes=0-9,50-59";
  const reply decided = decide(asked);
  const file_server::multipart around(about);
  const std::string body = made([&](text& to) {
    for (const byte_range& each : decided.ranges.parts()) {
      around.add_start(to, each);
      to.add("0123456789");
    }
    around.add_end(to);
  });
  const std::string boundary(file_server::multipart::boundary());
  CHECK(boundary.size() == 32);
  CHECK(body == "\r\n--" + boundary +
                    "\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-9/100\r\n\r\n"
                    "0123456789\r\n--" +
                    boundary +
                    "\r\nContent-Type: text/plain\r\nContent-Range: bytes 50-59/100\r\n\r\n"
                    "0123456789\r\n--" +
                    boundary + "--\r\n");
  const std::string head = ranged("bytes=0-9,50-59");
  CHECK(head.find("\r\nContent-Length: " + std::to_string(body.size()) + "\r\n") != head.npos);
  CHECK(head.find("\r\nContent-Type: multipart/byteranges; boundary=" + boundary + "\r\n") !=
        head.npos);
}

TEST_CASE("file_server: a range is for GET, and for a file that is as it was") {
  request asked = get();
  asked.range = "bytes=0-9";
  CHECK(decide(asked).code == status::partial_content);
  asked.if_range = "\"other\"";
  CHECK(decide(asked).code == status::ok);
  asked.if_range.reset();
  asked.method = request::verb::head;
  CHECK(decide(asked).code == status::ok);
}

TEST_CASE("file_server: conditions come before the range") {
  request asked = get();
  asked.range = "bytes=1000-";
  CHECK(decide(asked).code == status::range_not_satisfiable);
  asked.if_none_match.add("\"tag\"");
  CHECK(decide(asked).code == status::not_modified);
  asked.if_match.add("\"other\"");
  CHECK(decide(asked).code == status::precondition_failed);
}

TEST_CASE("file_server: an answer says what becomes of the connection") {
  const auto short_reply = [](bool http_1_1, bool keep_alive) {
    return made([&](text& to) {
      file_server::add_short_reply(to, status::not_found, {date, http_1_1, keep_alive}, false);
    });
  };
  CHECK(short_reply(true, true).find("Connection") == std::string::npos);
  CHECK(short_reply(true, false).find("\r\nConnection: close\r\n") != std::string::npos);
  CHECK(short_reply(false, false).find("\r\nConnection: close\r\n") != std::string::npos);
  CHECK(short_reply(false, true).find("\r\nConnection: keep-alive\r\n") != std::string::npos);
}

TEST_CASE("file_server: a refusal says what it is, and to HEAD without a body") {
  const auto refusal = [](bool head_only) {
    return made([&](text& to) {
      const std::size_t body =
          file_server::add_short_reply(to, status::method_not_allowed, kept, head_only);
      CHECK(body == (head_only ? 0 : 23));
    });
  };
  const std::string head =
      "HTTP/1.1 405 Method Not Allowed\r\n"
      "Server: zc\r\n"
      "Date: Fri, 18 Nov 1994 22:36:17 GMT\r\n"
      "Allow: GET, HEAD\r\n"
      "Content-Type: text/plain; charset=utf-8\r\n"
      "Content-Length: 23\r\n"
      "\r\n";
  CHECK(refusal(true) == head);
  CHECK(refusal(false) == head + "405 Method Not Allowed\n");
}

TEST_CASE("file_server: a redirection never leads to another host") {
  file_server::target asked;
  CHECK_FALSE(file_server::parse_target("//evil.example/..//a%0d%0ab?c", asked));
  const std::string said = made([&](text& to) { add_redirect(to, asked, kept); });
  CHECK(said.find("\r\nLocation: /a%0D%0Ab/?c\r\n") != std::string::npos);
}

TEST_CASE("file_server: every status has its code in front") {
  for (const int code :
       {200, 206, 301, 304, 400, 403, 404, 405, 408, 412, 413, 414, 416, 431, 500, 501, 503, 505}) {
    const std::string_view phrase = to_string(static_cast<status>(code));
    CHECK(phrase.starts_with(std::to_string(code) + " "));
  }
}

TEST_CASE("file_server: an entity tag is another for another time or length") {
  const auto etag = [](const file_server::file& of) {
    return made([&of](text& to) { add_etag(to, of); });
  };
  file_server::file of{};
  of.size = 0x1000;
  of.modified = 1;
  of.modified_nanoseconds = 1;
  const std::string first = etag(of);
  CHECK(first == "\"3b9aca01-1000\"");
  of.modified_nanoseconds = 2;
  const std::string second = etag(of);
  CHECK(second != first);
  of.size = 0x1001;
  CHECK(etag(of) != second);
}

TEST_CASE("file_server: a text that is too long for its memory is no text") {
  std::array<char, 4> memory{};
  text to(memory);
  CHECK(to.add("ab", 12).view() == "ab12");
  CHECK_THROWS_AS(to.add('c'), std::length_error);
  CHECK_THROWS_AS(to.add(1), std::length_error);
}

TEST_CASE("file_server: a log line stays one line whatever was asked for") {
  std::string line;
  file_server::add_printable(line, "/a b\"\\\r\n\x1b[31m\x7f\xff");
  CHECK(line == "/a b\\x22\\x5C\\x0D\\x0A\\x1B[31m\\x7F\\xFF");
}

TEST_SUITE_END();
