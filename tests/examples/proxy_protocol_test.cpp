#include "../examples/server/proxy_protocol.hpp"

#include <doctest/doctest.h>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

TEST_SUITE_BEGIN("unit");

namespace {

using namespace std::string_literals;
using server::proxy_protocol::encode;
using server::proxy_protocol::endpoints;
using server::proxy_protocol::header;
using server::proxy_protocol::malformed;
using server::proxy_protocol::parse;
using server::proxy_protocol::telling_bytes;
using server::proxy_protocol::version;

const std::string signature("\r\n\r\n\0\r\nQUIT\n", 12);
const std::string hosts_v4("\x0a\x00\x00\x01\xc0\xa8\x01\x02", 8);  // 10.0.0.1, 192.168.1.2
const std::string ports("\x12\x34\x00\x50", 4);                     // 4660, 80
const std::string hosts_v6 = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01"s + "\xfe\x80"s +
                             std::string(13, '\0') + "\x02"s;

/// A header of version 2; `size` is what it says of what follows, or what does follow.
std::string v2(char command, char family, const std::string& rest, int size = -1) {
  const std::size_t said = size < 0 ? rest.size() : static_cast<std::size_t>(size);
  return signature + command + family + static_cast<char>(said >> 8) +
         static_cast<char>(said & 0xff) + rest;
}

endpoints ends_of(std::string_view source, std::string_view destination) {
  return {zc::address::parse(source), zc::address::parse(destination)};
}

/// "10.0.0.1:4660 > 192.168.1.2:80", "their own", "more", or "malformed".
std::string meaning(std::string_view begin) {
  try {
    const std::optional<header> found = parse(begin);
    if (!found) return "more";
    if (!found->about) return "their own";
    return to_string(found->about->source) + " > " + to_string(found->about->destination);
  } catch (const malformed&) {
    return "malformed";
  }
}

struct row {
  std::string bytes;
  std::string means;
};

const std::string told_v4 = "10.0.0.1:4660 > 192.168.1.2:80";
const std::string told_v6 = "[2001:db8::1]:4660 > [fe80::2]:80";

const std::initializer_list<row> good{
    {"PROXY TCP4 10.0.0.1 192.168.1.2 4660 80\r\n", told_v4},
    {"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", "0.0.0.0:0 > 255.255.255.255:65535"},
    {"PROXY TCP6 2001:db8::1 FE80::2 4660 80\r\n", told_v6},
    {"PROXY TCP6 2001:0db8:0000:0000:0000:0000:0000:0001 fe80::2 4660 80\r\n", told_v6},
    {"PROXY TCP6 " + std::string("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ") +
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 > "
     "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
    {"PROXY UNKNOWN\r\n", "their own"},
    {"PROXY UNKNOWN anything at \x01 all\r\n", "their own"},
    {"PROXY UNKNOWN \r \n\r\n", "their own"},
    {"PROXY UNKNOWN " + std::string(91, 'x') + "\r\n", "their own"},  // 107 bytes
    {v2(0x21, 0x11, hosts_v4 + ports), told_v4},
    {v2(0x21, 0x21, hosts_v6 + ports), told_v6},
    {v2(0x21, 0x11, hosts_v4 + ports + "\x03\x00\x04\x01\x02\x03\x04"s), told_v4},
    {v2(0x21, 0x21, hosts_v6 + ports + std::string(65535 - 36, 'T')), told_v6},
    {v2(0x21, 0x00, ""), "their own"},
    {v2(0x21, 0x00, "ignored"), "their own"},
    {v2(0x21, 0x12, hosts_v4 + ports), "their own"},
    {v2(0x21, 0x22, hosts_v6 + ports), "their own"},
    {v2(0x21, 0x31, std::string(216, 'u')), "their own"},
    {v2(0x21, 0x32, std::string(216, 'u')), "their own"},
    {v2(0x20, 0x00, ""), "their own"},
    {v2(0x20, 0x11, hosts_v4 + ports), "their own"},
    {v2(0x20, 0x11, ""), "their own"},  // of a LOCAL one nothing else counts
    {v2(0x20, 0x7f, "?"), "their own"},
};

const std::initializer_list<std::string> bad{
    "G",
    "GET / HTTP/1.1\r\n",
    "proxy TCP4 10.0.0.1 192.168.1.2 4660 80\r\n",
    " PROXY TCP4 10.0.0.1 192.168.1.2 4660 80\r\n",
    "PROXY\tTCP4 10.0.0.1 192.168.1.2 4660 80\r\n",
    "PROXY  TCP4 10.0.0.1 192.168.1.2 4660 80\r\n",
    "PROXY \r\n",
    "PROXY TCP4\r\n",
    "PROXY TCP4 \r\n",
    "PROXY TCP5 10.0.0.1 192.168.1.2 4660 80\r\n",
    "PROXY UNKNOWNS\r\n",
    "PROXY UDP4 10.0.0.1 192.168.1.2 4660 80\r\n",
    "PROXY TCP4 10.0.0.1 192.168.1.2 4660\r\n",
    "PROXY TCP4 10.0.0.1 192.168.1.2 4660 80 \r\n",
    "PROXY TCP4 10.0.0.1 192.168.1.2 4660 80 1\r\n",
    "PROXY TCP4 10.0.0.1  192.168.1.2 4660 80\r\n",
    "PROXY TCP4 10.0.0.1 192.168.1.2  4660 80\r\n",
    "PROXY TCP4 10.0.0.1 192.168.1.2 4660  80\r\n",
    "PROXY TCP4 10.0.0 192.168.1.2 4660 80\r\n",
    "PROXY TCP4 10.0.0.1.1 192.168.1.2 4660 80\r\n",
    "PROXY TCP4 10.0.0.256 192.168.1.2 4660 80\r\n",
    "PROXY TCP4 010.0.0.1 192.168.1.2 4660 80\r\n",
    "PROXY TCP4 10.0.0.01 192.168.1.2 4660 80\r\n",
    "PROXY TCP4 0x0a.0.0.1 192.168.1.2 4660 80\r\n",
    "PROXY TCP4 10.0.0.1\0 192.168.1.2 4660 80\r\n"s,
    "PROXY TCP4 ::1 ::1 4660 80\r\n",
    "PROXY TCP4 localhost 192.168.1.2 4660 80\r\n",
    "PROXY TCP4 10.0.0.1 192.168.1.2 65536 80\r\n",
    "PROXY TCP4 10.0.0.1 192.168.1.2 -1 80\r\n",
    "PROXY TCP4 10.0.0.1 192.168.1.2 +1 80\r\n",
    "PROXY TCP4 10.0.0.1 192.168.1.2 04660 80\r\n",
    "PROXY TCP4 10.0.0.1 192.168.1.2 4660 00\r\n",
    "PROXY TCP4 10.0.0.1 192.168.1.2 4660 80x\r\n",
    "PROXY TCP4 10.0.0.1 192.168.1.2 4660 \r\n",
    "PROXY TCP4 10.0.0.1 192.168.1.2 4660 80\n\r\n",
    "PROXY TCP4 10.0.0.1 192.168.1.2 4660 80\r\r\n",
    "PROXY TCP6 10.0.0.1 192.168.1.2 4660 80\r\n",
    "PROXY TCP6 fe80::1%2 ::1 4660 80\r\n",
    "PROXY TCP6 [::1] ::1 4660 80\r\n",
    "PROXY TCP6 1::2::3 ::1 4660 80\r\n",
    "PROXY UNKNOWN " + std::string(92, 'x') + "\r\n",  // 108 bytes
    "PROXY TCP4 " + std::string(200, '1'),
    "\r\n\r\nGET",
    v2(0x11, 0x11, hosts_v4 + ports),  // another version
    v2(0x01, 0x11, hosts_v4 + ports),
    v2(0x22, 0x11, hosts_v4 + ports),  // another command
    v2(0x2f, 0x11, hosts_v4 + ports),
    v2(0x21, 0x10, hosts_v4 + ports),  // another family
    v2(0x21, 0x13, hosts_v4 + ports),
    v2(0x21, 0x41, hosts_v4 + ports),
    v2(0x21, 0x01, hosts_v4 + ports),
    v2(0x21, 0x11, hosts_v4 + ports, 11),  // too short for its addresses
    v2(0x21, 0x11, "", 0),
    v2(0x21, 0x12, hosts_v4 + ports, 11),
    v2(0x21, 0x21, hosts_v6 + ports, 35),
    v2(0x21, 0x22, hosts_v6 + ports, 35),
    v2(0x21, 0x31, std::string(216, 'u'), 215),
};

}  // namespace

TEST_CASE("proxy_protocol: what is encoded is what the specification has") {
  const endpoints v4 = ends_of("10.0.0.1:4660", "192.168.1.2:80");
  const endpoints v6 = ends_of("[2001:db8::1]:4660", "[fe80::2]:80");
  const endpoints mixed = ends_of("10.0.0.1:4660", "[fe80::2]:80");
  CHECK(encode(version::v1, v4) == "PROXY TCP4 10.0.0.1 192.168.1.2 4660 80\r\n");
  CHECK(encode(version::v1, v6) == "PROXY TCP6 2001:db8::1 fe80::2 4660 80\r\n");
  CHECK(encode(version::v1, mixed) == "PROXY UNKNOWN\r\n");
  CHECK(encode(version::v1, {}) == "PROXY UNKNOWN\r\n");
  CHECK(encode(version::v2, v4) == v2(0x21, 0x11, hosts_v4 + ports));
  CHECK(encode(version::v2, v6) == v2(0x21, 0x21, hosts_v6 + ports));
  CHECK(encode(version::v2, mixed) == v2(0x21, 0x00, ""));
  CHECK(encode(version::v2, {}) == v2(0x21, 0x00, ""));
}

TEST_CASE("proxy_protocol: a scope stays on the machine that it means something to") {
  const endpoints ends = ends_of("[fe80::1%1]:1", "[fe80::2%1]:2");
  CHECK(encode(version::v1, ends) == "PROXY TCP6 fe80::1 fe80::2 1 2\r\n");
  CHECK(meaning(encode(version::v2, ends)) == "[fe80::1]:1 > [fe80::2]:2");
}

TEST_CASE("proxy_protocol: what is encoded is understood, and the payload is not touched") {
  for (const version as : {version::v1, version::v2}) {
    for (const char* host : {"127.0.0.1:", "[::1]:", "[::ffff:10.1.2.3]:"}) {
      const endpoints ends = ends_of(host + "0"s, host + "65535"s);
      const std::string bytes = encode(as, ends);
      const std::optional<header> found = parse(bytes + "payload");
      REQUIRE(found.has_value());
      CHECK(found->size_bytes == bytes.size());
      REQUIRE(found->about.has_value());
      CHECK(found->about->source == ends.source);
      CHECK(found->about->destination == ends.destination);
    }
  }
}

TEST_CASE("proxy_protocol: each header means the same however little of the payload is there") {
  for (const row& each : good) {
    CAPTURE(each.bytes);
    for (const char* payload : {"", "\r\n", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n"}) {
      const std::string all = each.bytes + payload;
      CHECK(meaning(all) == each.means);
      if (meaning(all) != "malformed") CHECK(parse(all)->size_bytes == each.bytes.size());
    }
  }
}

TEST_CASE("proxy_protocol: of a header cut anywhere, more is asked for until it can be told") {
  for (const row& each : good) {
    CAPTURE(each.bytes);
    bool told = false;
    for (std::size_t size = 0; size <= each.bytes.size(); ++size) {
      const std::string now = meaning(each.bytes.substr(0, size));
      told = told || now != "more";
      const bool right = now == (told ? each.means : "more");
      if (!right) FAIL_CHECK("after ", size, " bytes: ", now);
      if (size >= telling_bytes && !told) FAIL_CHECK("not told by ", size, " bytes");
    }
    CHECK(told);
  }
}

TEST_CASE("proxy_protocol: a line is whole only with its end, and addresses with their last byte") {
  CHECK(meaning("PROXY TCP4 10.0.0.1 192.168.1.2 4660 80\r") == "more");
  CHECK(meaning("PROXY UNKNOWN " + std::string(92, 'x')) == "more");  // 106 bytes
  CHECK(meaning("PROXY UNKNOWN " + std::string(92, 'x') + "\r") == "malformed");
  const std::string whole = v2(0x21, 0x11, hosts_v4 + ports);
  CHECK(meaning(whole.substr(0, whole.size() - 1)) == "more");
  CHECK(meaning(v2(0x21, 0x11, hosts_v4 + ports, 65535)) == told_v4);
  CHECK(parse(v2(0x21, 0x11, hosts_v4 + ports, 65535))->size_bytes == 16 + 65535);
}

TEST_CASE(
    "proxy_protocol: what is malformed is refused, and never taken for a header that is cut") {
  for (const std::string& each : bad) {
    CAPTURE(each);
    CHECK(meaning(each) == "malformed");
    CHECK(meaning(each + "payload") == "malformed");
    for (std::size_t size = 0; size < each.size(); ++size) {
      const std::string now = meaning(each.substr(0, size));
      const bool refused = now == "more" || now == "malformed";
      if (!refused) FAIL_CHECK("after ", size, " bytes: ", now);
    }
  }
}

TEST_SUITE_END();
