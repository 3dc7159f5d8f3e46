#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <string_view>

#include "../examples/file_server/head_scan.hpp"
#include "../examples/file_server/request.hpp"
#include "../examples/file_server/request_body.hpp"

TEST_SUITE_BEGIN("unit");

namespace {

using file_server::head_scan;
using file_server::request;
using file_server::request_body;
using file_server::status;

/// The status that `head` is refused with; nothing for one that is taken.
std::optional<status> refused(std::string_view head) {
  request into;
  return file_server::parse_request(head, into);
}

/// With these lines after a good request line and Host.
std::string with(std::string_view lines, std::string_view version = "1.1") {
  return std::string("GET /a HTTP/").append(version) + "\r\nHost: h\r\n" + std::string(lines) +
         "\r\n";
}

/// The head must outlive it.
request accepted(std::string_view head) {
  request into;
  const std::optional<status> why = file_server::parse_request(head, into);
  CHECK_FALSE(why);
  return into;
}

head_scan::verdict scan(std::string_view bytes) { return head_scan().look(bytes); }

struct dropped {
  std::size_t taken;
  bool ended;
  std::optional<status> refused;
};

/// What becomes of `bytes`, given `step` of them at a time.
dropped drop(const request& of, std::string_view bytes, std::size_t step,
             std::uint64_t limit = 1000) {
  request_body body(of, limit);
  std::size_t taken = 0;
  while (taken < bytes.size() && !body.ended() && !body.refused()) {
    taken += body.take(bytes.substr(taken, step));
  }
  return {taken, body.ended(), body.refused()};
}

request chunked() {
  request of;
  of.chunked = true;
  return of;
}

request of_length(std::uint64_t bytes) {
  request of;
  of.content_length = bytes;
  return of;
}

}  // namespace

TEST_CASE("file_server: a request is what its head says") {
  const std::string head =
      "GET /a?b HTTP/1.1\r\nhost: h:80\r\nRANGE: bytes=1-2 \r\nIf-Range:\t\"r\"\r\n"
      "If-Match: \"m\"\r\nif-none-match: \"n\"\r\nIf-Modified-Since: d1\r\n"
      "If-Unmodified-Since: d2\r\nX-Other: \xC3\xA4\r\nEmpty:\r\n\r\n";
  const request asked = accepted(head);
  CHECK(asked.method == request::verb::get);
  CHECK(asked.method_name == "GET");
  CHECK(asked.target == "/a?b");
  CHECK(asked.http_1_1);
  CHECK(asked.keep_alive);
  CHECK_FALSE(asked.expects_continue);
  CHECK_FALSE(asked.has_body());
  CHECK(asked.range == "bytes=1-2");
  CHECK(asked.if_range == "\"r\"");
  CHECK(asked.if_match.values() == "\"m\"");
  CHECK(asked.if_none_match.values() == "\"n\"");
  CHECK(asked.if_modified_since == "d1");
  CHECK(asked.if_unmodified_since == "d2");
}

TEST_CASE("file_server: what a request does not say has no value") {
  const request asked = accepted("HEAD / HTTP/1.1\r\nHost:\r\n\r\n");
  CHECK(asked.method == request::verb::head);
  CHECK_FALSE(asked.range);
  CHECK_FALSE(asked.if_range);
  CHECK_FALSE(asked.if_match.given());
  CHECK_FALSE(asked.if_none_match.given());
  CHECK_FALSE(asked.if_modified_since);
  CHECK_FALSE(asked.if_unmodified_since);
}

TEST_CASE("file_server: methods that are not served are read as such") {
  for (const std::string_view name : {"POST", "OPTIONS", "get", "BREW", "G!"}) {
    CAPTURE(name);
    const std::string head = std::string(name) + " / HTTP/1.1\r\nHost: h\r\n\r\n";
    const request asked = accepted(head);
    CHECK(asked.method == request::verb::other);
    CHECK(asked.method_name == name);
  }
}

TEST_CASE("file_server: a connection is kept as its client says") {
  struct row {
    std::string_view version, lines;
    bool kept;
  };
  for (const row& each : {row{"1.1", "", true}, row{"1.1", "Connection: close\r\n", false},
                          row{"1.1", "Connection: x, Close\r\n", false},
                          row{"1.1", "Connection: x\r\nConnection: close\r\n", false},
                          row{"1.1", "Connection: keep-alive\r\n", true}, row{"1.0", "", false},
                          row{"1.0", "Connection: Keep-Alive\r\n", true},
                          row{"1.0", "Connection: close\r\n", false}}) {
    CAPTURE(each.version);
    CAPTURE(each.lines);
    const std::string head = with(each.lines, each.version);
    const request asked = accepted(head);
    CHECK(asked.keep_alive == each.kept);
    CHECK(asked.http_1_1 == (each.version == "1.1"));
  }
}

TEST_CASE("file_server: a request names one host, before HTTP/1.1 at most one") {
  CHECK(refused("GET / HTTP/1.1\r\n\r\n") == status::bad_request);
  CHECK_FALSE(refused("GET / HTTP/1.0\r\n\r\n"));
  CHECK(refused(with("Host: h\r\n")) == status::bad_request);
  CHECK(refused("GET / HTTP/1.0\r\nHost: h\r\nHost: i\r\n\r\n") == status::bad_request);
  CHECK_FALSE(refused("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"));
  for (const std::string_view host : {"a b", "a/b", "a@b", "a, b", "a?b", "a\\b"}) {
    CAPTURE(host);
    CHECK(refused("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n") ==
          status::bad_request);
  }
}

TEST_CASE("file_server: versions that are not spoken are told from what is none") {
  for (const std::string_view version : {"HTTP/2.0", "HTTP/0.9", "HTTP/3.1"}) {
    CAPTURE(version);
    CHECK(refused("GET / " + std::string(version) + "\r\nHost: h\r\n\r\n") ==
          status::http_version_not_supported);
  }
  for (const std::string_view version :
       {"HTTP/1", "HTTP/1.10", "HTTP/a.b", "http/1.1", "ICY/1.1", "HTTP/1.1 ", "HTTP/1x1", ""}) {
    CAPTURE(version);
    CHECK(refused("GET / " + std::string(version) + "\r\nHost: h\r\n\r\n") == status::bad_request);
  }
}

TEST_CASE("file_server: a head that is none is a bad request") {
  for (const std::string_view head :
       {"\r\n", "GET\r\n\r\n", "GET /\r\n\r\n", " GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "G(T / HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
        "GET / HTTP/1.1\r\n: h\r\n\r\n", "GET / HTTP/1.1\r\nHost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nA: \x01\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nA\tB: c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\rA: b\r\n\r\n"}) {
    CAPTURE(head);
    CHECK(refused(head) == status::bad_request);
  }
  CHECK(refused(std::string_view("GET / HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n", 35)) ==
        status::bad_request);
}

TEST_CASE("file_server: a body has one length, or is chunked") {
  CHECK(accepted(with("Content-Length: 12\r\n")).content_length == 12);
  CHECK(accepted(with("Transfer-Encoding: Chunked\r\n")).chunked);
  CHECK_FALSE(accepted(with("Content-Length: 0\r\n")).has_body());
  for (const std::string_view lines :
       {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nContent-Length: 3\r\n", "Content-Length: 3, 3\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n", "Content-Length: -3\r\n",
        "Content-Length: +3\r\n", "Content-Length: 0x3\r\n", "Content-Length:\r\n",
        "Content-Length: 3 3\r\n", "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"}) {
    CAPTURE(lines);
    CHECK(refused(with(lines)) == status::bad_request);
  }
  CHECK(refused(with("Transfer-Encoding: chunked\r\n", "1.0")) == status::bad_request);
}

TEST_CASE("file_server: of transfer codings chunked alone is known") {
  for (const std::string_view coding : {"gzip", "gzip, chunked", "chunked, gzip",
                                        "chunked, chunked", "xchunked", "\"chunked\"", ""}) {
    CAPTURE(coding);
    CHECK(refused(with("Transfer-Encoding: " + std::string(coding) + "\r\n")) ==
          status::not_implemented);
  }
}

TEST_CASE("file_server: who waits to be told to send a body is noticed") {
  CHECK(accepted(with("Expect: 100-Continue\r\n")).expects_continue);
  CHECK_FALSE(accepted(with("Expect: more\r\n")).expects_continue);
}

TEST_CASE("file_server: a head's end is found however it arrives") {
  const std::string head = "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
  const std::string more = head + "GET /next";
  head_scan slow;
  for (std::size_t size = 0; size < head.size(); ++size) {
    CAPTURE(size);
    CHECK(slow.look(std::string_view(more).substr(0, size)) == head_scan::verdict::incomplete);
  }
  CHECK(slow.look(more) == head_scan::verdict::complete);
  CHECK(slow.size() == head.size());
  head_scan at_once;
  CHECK(at_once.look(more) == head_scan::verdict::complete);
  CHECK(at_once.size() == head.size());
  CHECK(at_once.first_line_size() == 16);
}

TEST_CASE("file_server: a first line that has not ended is as long as what there is") {
  head_scan scanned;
  CHECK(scanned.look("GET /aaaa") == head_scan::verdict::incomplete);
  CHECK(scanned.first_line_size() == 9);
}

TEST_CASE("file_server: a line that does not end in CRLF, or is folded, is no part of a head") {
  for (const std::string_view bytes : {"\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: h\n",
                                       "GET / HTTP/1.1\r\n\n", "GET / HTTP/1.1\r\nA: b\r\n c\r\n",
                                       "GET / HTTP/1.1\r\n\tc\r\n", "GET / HTTP/1.1\r\n \r\n"}) {
    CAPTURE(bytes);
    CHECK(scan(bytes) == head_scan::verdict::malformed);
  }
}

TEST_CASE("file_server: a body of a known length ends after that, and nothing else is taken") {
  for (const std::size_t step : {1u, 2u, 100u}) {
    CAPTURE(step);
    const dropped all = drop(of_length(5), "abcdeGET", step);
    CHECK(all.ended);
    CHECK(all.taken == 5);
  }
  CHECK_FALSE(drop(of_length(5), "abcd", 4).ended);
  CHECK(request_body(of_length(0), 0).ended());
}

TEST_CASE("file_server: a chunked body ends with its last chunk, and nothing else is taken") {
  for (const std::string_view body :
       {"0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", "A\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n",
        "3;a=b\r\nabc\r\n0;c\r\n\r\n", "3 \r\nabc\r\n00\r\n\r\n", "04\r\n\r\n\r\n\r\n0\r\n\r\n",
        "0\r\nA: b\r\nC: d\r\n\r\n", "3\r\n0\r\n\r\n0\r\n\r\n"}) {
    for (const std::size_t step : {1u, 2u, 3u, 7u, 100u}) {
      CAPTURE(body);
      CAPTURE(step);
      const dropped all = drop(chunked(), std::string(body) + "GET /", step);
      CHECK_FALSE(all.refused);
      CHECK(all.ended);
      CHECK(all.taken == body.size());
    }
  }
}

TEST_CASE("file_server: chunks that are none are a bad request") {
  for (const std::string_view body :
       {"\r\n", "x\r\n", "-1\r\n", "3\nabc", "3\r\nabcd\r\n", "3\r\nabc\n", "3x\r\n", "3;a\n",
        "0\r\n\n", "0\r\nA: b\n", "0\r\n\rx", "3\rabc", " 3\r\n", "0x3\r\n"}) {
    CAPTURE(body);
    CHECK(drop(chunked(), std::string(body) + "abc\r\n0\r\n\r\n", 1).refused ==
          status::bad_request);
  }
}

TEST_CASE("file_server: a body that is too large is refused as soon as that is known") {
  CHECK(request_body(of_length(1001), 1000).refused() == status::content_too_large);
  CHECK_FALSE(request_body(of_length(1000), 1000).refused());
  const dropped large = drop(chunked(), "FFFFFFFFFFFFFFFFFFFF\r\n", 1);
  CHECK(large.refused == status::content_too_large);
  CHECK(large.taken == 3);
  // What is around the chunks counts, too.
  CHECK(drop(chunked(), "1;" + std::string(2000, 'x'), 7).refused == status::content_too_large);
  CHECK(drop(chunked(), std::string(2000, '0'), 100).refused == status::content_too_large);
  CHECK(drop(chunked(), "0\r\n" + std::string(2000, 'x'), 100).refused ==
        status::content_too_large);
  CHECK(drop(chunked(), "300\r\n" + std::string(0x300, 'x') + "\r\n300\r\n", 100).refused ==
        status::content_too_large);
}

TEST_SUITE_END();
