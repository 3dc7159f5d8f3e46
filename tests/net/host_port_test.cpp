#include "zc/host_port.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <string_view>

using zc::host_port;

TEST_SUITE_BEGIN("unit");

TEST_CASE("host_port: a name, a number, brackets and nothing are hosts, and print as they were") {
  struct row {
    const char* text;
    const char* host;
    int port;
  };
  for (const row& at :
       {row{"example.org:80", "example.org", 80}, row{"127.0.0.1:0", "127.0.0.1", 0},
        row{"[::1]:65535", "::1", 65535}, row{"[fe80::1%eth0]:1", "fe80::1%eth0", 1},
        row{":8080", "", 8080}, row{"my_host-1:1", "my_host-1", 1}}) {
    CAPTURE(at.text);
    const host_port parsed = host_port::parse(at.text);
    CHECK(parsed.host == at.host);
    CHECK(parsed.port == at.port);
    CHECK(zc::to_string(parsed) == at.text);
  }
  CHECK(zc::to_string(host_port::parse("host:00080")) == "host:80");
}

TEST_CASE("host_port: what is not HOST:PORT is refused, and the text says why") {
  struct row {
    std::string_view text;
    const char* why;
  };
  using namespace std::string_view_literals;
  for (const row& at :
       {row{"", "a port is missing"}, row{"host", "a port is missing"},
        row{"host:", "a port is missing"}, row{":", "a port is missing"},
        row{"[::1]", "a port is missing"}, row{"host:http", "from 0 to 65535"},
        row{"host:65536", "from 0 to 65535"}, row{"host:-1", "from 0 to 65535"},
        row{"host:80 ", "from 0 to 65535"}, row{"::1:80", "in brackets"},
        row{"a:b:80", "in brackets"}, row{"[::1:80", "not closed"},
        row{"[]:80", "nothing is in the brackets"}, row{"[host]:80", "not an IPv6 address"},
        row{"[::1]x:80", "no port follows"}, row{"ho\0st:80"sv, "a zero byte follows"}}) {
    CAPTURE(at.text);
    std::string said;
    try {
      said = "taken as " + zc::to_string(host_port::parse(at.text));
    } catch (const std::invalid_argument& error) {
      said = error.what();
    }
    const std::string shown(at.text.substr(0, at.text.find('\0')));
    CHECK(said.starts_with(shown + ": "));
    CHECK(said.find(at.why, shown.size()) != std::string::npos);
  }
}

TEST_CASE("host_port: made of a host and a port, it equals what is parsed") {
  CHECK(host_port("::1", 80) == host_port::parse("[::1]:80"));
  CHECK(host_port("example.org", 80) == host_port::parse("example.org:80"));
  CHECK(host_port() == host_port::parse(":0"));
  CHECK_FALSE(host_port("a", 80) == host_port("b", 80));
  CHECK_FALSE(host_port("a", 80) == host_port("a", 81));
}

TEST_SUITE_END();
