#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "examples/file_server_support.hpp"
#include "examples/http_client.hpp"
#include "support/descriptors.hpp"

// Requests that no client should send. RFC 9110 and 9112 say what is due.

TEST_SUITE_BEGIN("kernel");

namespace {

using support::file_server;
using support::http_answer;
using support::http_client;
using support::request;

const std::string host = "Host: localhost\r\n";

struct bad_request {
  std::string bytes;
  std::vector<int> allowed;
};

const std::vector<int> refused{400};

std::vector<bad_request> bad_request_lines() {
  const auto rest = " HTTP/1.1\r\n" + host + "\r\n";
  return {
      {"GET\r\n" + host + "\r\n", refused},
      {"GET /file\r\n" + host + "\r\n", refused},  // HTTP/0.9
      {"GET /file \r\n" + host + "\r\n", refused},
      {"GET  /file" + rest, refused},
      {"GET /file  HTTP/1.1\r\n" + host + "\r\n", refused},
      {"GET /file HTTP/1.1 \r\n" + host + "\r\n", refused},
      {" GET /file" + rest, refused},
      {"GET\t/file" + rest, refused},
      {"G@T /file" + rest, refused},
      {std::string("G\0T /file", 9) + rest, refused},
      {"G\x80T /file" + rest, refused},
      {"/file" + rest, refused},
      {"GET file" + rest, refused},
      {"GET /a file" + rest, refused},
      {"GET /a\tfile" + rest, refused},
      {"GET /a\x01"
       "file" +
           rest,
       refused},
      {"GET /a\x7f"
       "file" +
           rest,
       refused},
      {"GET /%" + rest, refused},
      {"GET /%2" + rest, refused},
      {"GET /%zz" + rest, refused},
      {"GET /%0g" + rest, refused},
      {"GET /%00" + rest, refused},
      {"GET /file%00.html" + rest, refused},
      {"GET /file HTTP/1.x\r\n" + host + "\r\n", refused},
      {"GET /file http/1.1\r\n" + host + "\r\n", refused},
      {"GET /file HTTP/1.10\r\n" + host + "\r\n", {400, 505}},
      {"GET /file HTTP/11\r\n" + host + "\r\n", refused},
      {"GET /file HTTPS/1.1\r\n" + host + "\r\n", refused},
      {"GET /file HTTP/2.0\r\n" + host + "\r\n", {505}},
      {"GET /file HTTP/0.9\r\n" + host + "\r\n", {400, 505}},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 405, 501, 505}},
      {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + "\r\n\r\n",
       refused},  // TLS
      {std::string(64, '\0') + "\r\n\r\n", refused},
      {"GET /file\rX: y" + rest, refused},
  };
}

bad_request with_fields(const std::string& fields, std::vector<int> allowed = refused) {
  return {"GET /file HTTP/1.1\r\n" + fields + "\r\n", std::move(allowed)};
}

std::vector<bad_request> bad_fields() {
  return {
      with_fields(""),  // no host
      with_fields(host + host),
      with_fields("Host: a\r\nHost: b\r\n"),
      with_fields("Host: a b\r\n"),
      with_fields("Host : localhost\r\n"),
      with_fields(host + "Name : value\r\n"),
      with_fields(host + " Name: value\r\n", {200, 400}),  // a folded line: may be mended
      with_fields(" Name: value\r\n" + host),
      with_fields(host + "Name\r\n"),
      with_fields(host + ": value\r\n"),
      with_fields(host + "Na me: value\r\n"),
      with_fields(host + "Na(me: value\r\n"),
      with_fields(host + "Na\x80me: value\r\n"),
      with_fields(host + std::string("Name: va\0lue\r\n", 14)),
      with_fields(host + "Name: va\rlue\r\n", {200, 400}),  // may count as a space
  };
}

/// How long the body is must never be a matter of opinion. The smuggling test has the rest.
std::vector<bad_request> bad_framing() {
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  return {
      with_fields(host + "Content-Length: \r\n"),
      with_fields(host + "Content-Length: five\r\n"),
      with_fields(host + "Content-Length: -1\r\n"),
      with_fields(host + "Content-Length: +1\r\n"),
      with_fields(host + "Content-Length: 0x10\r\n"),
      with_fields(host + "Content-Length: 1 1\r\n"),
      with_fields(host + "Content-Length: 1, 2\r\n"),
      with_fields(host + "Content-Length: 1\r\nContent-Length: 2\r\n"),
      with_fields(host + "Content-Length: 18446744073709551616\r\n", {400, 413}),
      with_fields(host + "Content-Length: 99999999999999999999999999\r\n", {400, 413}),
      with_fields(host + "Content-Length: 1000000000000\r\n", {413}),
      with_fields(host + "Content-Length: 5\r\n" + chunked),
      with_fields(host + chunked + "Content-Length: 5\r\n"),
      with_fields(host + "Transfer-Encoding: gzip\r\n", {400, 501}),
      with_fields(host + "Transfer-Encoding: chunked, gzip\r\n", {400, 501}),
      with_fields(host + "Transfer-Encoding: \x0b"
                         "chunked\r\n",
                  {400, 501}),
      with_fields(host + "Transfer-Encoding: xchunked\r\n", {400, 501}),
      with_fields(host + chunked + chunked, {400, 501}),
      {"POST /file HTTP/1.0\r\n" + chunked + "\r\n0\r\n\r\n", refused},
  };
}

/// It is refused, in words, and then the connection ends, or is as good as new.
void check_refused(const file_server& server, const bad_request& one) {
  CAPTURE(one.bytes);
  http_client client(server.address());
  client.send(one.bytes);
  try {
    const http_answer got = client.receive();
    CAPTURE(got.status);
    CHECK(std::count(one.allowed.begin(), one.allowed.end(), got.status) == 1);
    if (got.closes()) {
      CHECK(client.ends());
    } else {
      CHECK(client.ask(request("HEAD", "/none"), http_client::to::head).status == 404);
    }
  } catch (const std::runtime_error& error) {
    FAIL_CHECK(error.what());
  }
}

/// And that is nobody else's affair.
void check_refused(const file_server& server, const std::vector<bad_request>& all) {
  for (const bad_request& each : all) check_refused(server, each);
  CHECK(server.get("/file").status == 200);
  CHECK(server.comes_to_clients(0));
}

}  // namespace

TEST_CASE("examples/file_server: request lines that are none are refused") {
  file_server server;
  server.add("file", 10);
  check_refused(server, bad_request_lines());
}

TEST_CASE("examples/file_server: fields that are none are refused, and so is a missing host") {
  file_server server;
  server.add("file", 10);
  check_refused(server, bad_fields());
}

TEST_CASE("examples/file_server: a body of doubtful length is refused") {
  file_server server;
  server.add("file", 10);
  check_refused(server, bad_framing());
}

TEST_CASE("examples/file_server: a request smuggled into another's body is not answered") {
  file_server server;
  server.add("file", 10);
  server.add("smuggled", "do not say this");
  const std::string inner = request("GET", "/smuggled");
  for (const std::string& framing :
       {std::string("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
        "Content-Length: 0\r\nContent-Length: " + std::to_string(inner.size()) + "\r\n",
        std::string("Transfer-Encoding: chunked, identity\r\n"),
        "Content-Length: " + std::to_string(inner.size()) + "\r\n",
        std::string("Content-Length : 0\r\n")}) {
    for (const std::string_view method : {"GET", "POST"}) {
      CAPTURE(framing);
      CAPTURE(method);
      http_client client(server.address());
      client.send(request(method, "/file", framing) + inner);
      client.finish_sending();
      CHECK(client.rest().find("do not say this") == std::string::npos);
    }
  }
}

TEST_CASE("examples/file_server: a small body is skipped, and the next request is seen") {
  file_server server;
  server.add("file", 10);
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  struct row {
    std::string method, fields, body;
  };
  for (const row& at :
       {row{"GET", "Content-Length: 5\r\n", "hello"}, row{"HEAD", "Content-Length: 5\r\n", "hello"},
        row{"POST", "Content-Length: 5\r\n", "hello"}, row{"POST", "Content-Length: 0\r\n", ""},
        row{"PUT", chunked, "5\r\nhello\r\n0\r\n\r\n"},
        row{"GET", chunked, "5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n"},
        row{"DELETE", "", ""}}) {
    CAPTURE(at.method);
    CAPTURE(at.fields);
    http_client client(server.address());
    client.send(request(at.method, "/file", at.fields) + at.body + request("HEAD", "/none"));
    const bool head = at.method == "HEAD";
    const http_answer first = client.receive(head ? http_client::to::head : http_client::to::get);
    CHECK(first.status == (head || at.method == "GET" ? 200 : 405));
    if (first.status == 405) CHECK(first.field("allow") == "GET, HEAD");
    if (first.closes()) {
      // It may rather end the connection than read what nobody wants.
      CHECK(client.ends());
    } else {
      CHECK(client.receive(http_client::to::head).status == 404);
    }
  }
}

TEST_CASE("examples/file_server: broken chunks end the connection") {
  file_server server;
  server.add("file", 10);
  for (const std::string_view body :
       {"zz\r\nhello\r\n0\r\n\r\n", "5\r\nhelloXX0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\nhello\r\n0\r\n\r\n", "\r\n\r\n"}) {
    CAPTURE(body);
    http_client client(server.address());
    client.send(request("GET", "/file", "Transfer-Encoding: chunked\r\n").append(body) +
                request("GET", "/file"));
    std::optional<http_answer> got = client.receive_if_any();
    // The request may have been answered before its body went wrong.
    if (got && got->status == 200) got = client.receive_if_any();
    if (got) CHECK(got->status == 400);
    client.rest();
  }
  CHECK(server.get("/file").status == 200);
}

TEST_CASE("examples/file_server: who waits to be told to go on with a body is not left waiting") {
  file_server server;
  server.add("file", 10);
  http_client client(server.address());
  client.send(request("GET", "/file", "Content-Length: 5\r\nExpect: 100-continue\r\n"));
  http_answer got = client.receive();
  if (got.status == 100) {
    client.send("hello");
    got = client.receive();
  }
  CHECK(got.status == 200);
}

TEST_CASE("examples/file_server: a head or a target of any length is refused in time") {
  file_server server;
  server.add("file", 10);
  const std::string much(1 << 20, 'a');
  std::string many;
  for (int i = 0; i < 50'000; ++i) many += "Name-" + std::to_string(i) + ": value\r\n";
  struct row {
    std::string bytes;
    int status;
  };
  for (const row& at : {row{request("GET", "/" + much), 414},
                        row{request("GET", "/file", "Name: " + much + "\r\n"), 431},
                        row{request("GET", "/file", much + ": value\r\n"), 431},
                        row{request("GET", "/file", many), 431},
                        row{std::string(much).append(" /file HTTP/1.1\r\n\r\n"), 400}}) {
    CAPTURE(at.status);
    CAPTURE(at.bytes.substr(0, 30));
    http_client client(server.address());
    client.send(at.bytes);
    const http_answer got = client.receive();
    if (at.status == 400) {
      CHECK((got.status == 400 || got.status == 414 || got.status == 431 || got.status == 501));
    } else {
      CHECK(got.status == at.status);
    }
    CHECK(got.closes());
    CHECK(client.rest() == "");
  }
  // A head of an ordinary browser's size, cookies and all, is welcome.
  const std::string cookies = "Cookie: " + std::string(4000, 'c') + "\r\n";
  CHECK(server.get("/file?" + std::string(2000, 'q'), cookies).status == 200);
}

TEST_SUITE_END();
