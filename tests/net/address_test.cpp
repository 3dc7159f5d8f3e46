#include "zc/address.hpp"

#include <doctest/doctest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>

#include "support/descriptors.hpp"
#include "support/process.hpp"

using zc::address;

namespace {

std::string refusal(std::string_view text) {
  try {
    return "taken as " + zc::to_string(address::parse(text));
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

std::error_code error_of(address (*ask)(int), int socket) {
  try {
    ask(socket);
  } catch (const std::system_error& error) {
    return error.code();
  }
  return {};
}

}  // namespace

TEST_SUITE_BEGIN("unit");

TEST_CASE("address: what is parsed is printed again, in its shortest form") {
  struct row {
    const char* text;
    const char* printed;
    const char* host;
    int family;
    int port;
  };
  for (const row& at : {
           row{"127.0.0.1:80", "127.0.0.1:80", "127.0.0.1", AF_INET, 80},
           row{"0.0.0.0:0", "0.0.0.0:0", "0.0.0.0", AF_INET, 0},
           row{"255.255.255.255:65535", "255.255.255.255:65535", "255.255.255.255", AF_INET, 65535},
           row{"10.0.0.1:00080", "10.0.0.1:80", "10.0.0.1", AF_INET, 80},
           row{"[::1]:80", "[::1]:80", "::1", AF_INET6, 80},
           row{"[::]:65535", "[::]:65535", "::", AF_INET6, 65535},
           row{"[0:0:0:0:0:0:0:1]:1", "[::1]:1", "::1", AF_INET6, 1},
           row{"[2001:DB8::1]:443", "[2001:db8::1]:443", "2001:db8::1", AF_INET6, 443},
           row{"[::ffff:1.2.3.4]:5", "[::ffff:1.2.3.4]:5", "::ffff:1.2.3.4", AF_INET6, 5},
           row{"[fe80::1%7]:5", "[fe80::1%7]:5", "fe80::1%7", AF_INET6, 5},
           row{"[fe80::1%4294967295]:5", "[fe80::1%4294967295]:5", "fe80::1%4294967295", AF_INET6,
               5},
           row{"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%4294967295]:65535",
               "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535",
               "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295", AF_INET6, 65535},
       }) {
    CAPTURE(at.text);
    const address parsed = address::parse(at.text);
    CHECK(zc::to_string(parsed) == at.printed);
    CHECK(parsed.host() == at.host);
    CHECK(parsed.family() == at.family);
    CHECK(parsed.port() == at.port);
    CHECK(address::parse(zc::to_string(parsed)) == parsed);
  }
}

TEST_CASE("address: what is not one address with one port is refused, and the text says why") {
  struct row {
    std::string_view text;
    const char* why;
  };
  using namespace std::string_view_literals;
  for (const row& at : {
           row{"", "a port is missing"},
           row{"127.0.0.1", "a port is missing"},
           row{"127.0.0.1:", "a port is missing"},
           row{"[::1]", "a port is missing"},
           row{"[::1]:", "a port is missing"},
           row{"[::1]80", "no port follows"},
           row{"[::1]]:80", "no port follows"},
           row{"[::1", "not closed"},
           row{"[]:80", "nothing is in the brackets"},
           row{"127.0.0.1:65536", "from 0 to 65535"},
           row{"127.0.0.1:99999999999999999999", "from 0 to 65535"},
           row{"127.0.0.1:-1", "from 0 to 65535"},
           row{"127.0.0.1:+1", "from 0 to 65535"},
           row{"127.0.0.1: 1", "from 0 to 65535"},
           row{"127.0.0.1:80 ", "from 0 to 65535"},
           row{"127.0.0.1:80x", "from 0 to 65535"},
           row{"127.0.0.1:http", "from 0 to 65535"},
           row{":80", "not an IPv4 address"},
           row{"localhost:80", "not an IPv4 address"},
           row{" 127.0.0.1:80", "not an IPv4 address"},
           row{"127.0.0.1 :80", "not an IPv4 address"},
           row{"127.1:80", "not an IPv4 address"},
           row{"127.0.0.256:80", "not an IPv4 address"},
           row{"127.0.0.1.1:80", "not an IPv4 address"},
           row{"1234567890.1234567890.1234567890:80", "not an IPv4 address"},
           row{"127.0.0.1%1:80", "not an IPv4 address"},
           row{"::1:80", "in brackets"},
           row{"::1", "in brackets"},
           row{"[127.0.0.1]:80", "not an IPv6 address"},
           row{"[::1 ]:80", "not an IPv6 address"},
           row{"[::g]:80", "not an IPv6 address"},
           row{"[1:2:3:4:5:6:7:8:9]:80", "not an IPv6 address"},
           row{"[[::1]]:80", "no port follows"},
           row{"[fe80::1%]:80", "no such interface"},
           row{"[fe80::1%0]:80", "no such interface"},
           row{"[fe80::1%4294967296]:80", "no such interface"},
           row{"[fe80::1%-1]:80", "no such interface"},
           row{"[fe80::1%no-such-one]:80", "no such interface"},
           row{"[fe80::1%a-name-that-is-far-too-long-for-one]:80", "no such interface"},
           row{"127.0.0.1\0:80"sv, "a zero byte follows"},
           row{"127.0.0.1:80\0"sv, "a zero byte follows"},
           row{"[::1\0]:80"sv, "a zero byte follows"},
       }) {
    CAPTURE(at.text);
    const std::string said = refusal(at.text);
    const std::string shown(at.text.substr(0, at.text.find('\0')));
    CHECK(said.starts_with(shown + ": "));
    CHECK(said.find(at.why, shown.size()) != std::string::npos);
  }
}

TEST_CASE("address: two are equal when family, host, port and scope are") {
  const auto equal = [](const char* one, const char* other) {
    return address::parse(one) == address::parse(other);
  };
  CHECK(equal("127.0.0.1:80", "127.0.0.1:80"));
  CHECK_FALSE(equal("127.0.0.1:80", "127.0.0.1:81"));
  CHECK_FALSE(equal("127.0.0.1:80", "127.0.0.2:80"));
  CHECK_FALSE(equal("0.0.0.0:80", "[::]:80"));
  CHECK_FALSE(equal("127.0.0.1:80", "[::ffff:127.0.0.1]:80"));
  CHECK(equal("[fe80::1%1]:80", "[FE80:0::1%1]:80"));
  CHECK_FALSE(equal("[fe80::1%1]:80", "[fe80::1%2]:80"));
  CHECK_FALSE(equal("[fe80::1%1]:80", "[fe80::1]:80"));
  CHECK_FALSE(equal("[::1]:80", "[::2]:80"));
  CHECK_FALSE(equal("[::1]:80", "[::1]:81"));
  CHECK(address() == address());
  CHECK_FALSE(address() == address::parse("0.0.0.0:0"));
  CHECK_FALSE(address() == address::parse("[::]:0"));
  // Padding and what is only about one packet do not count.
  sockaddr_in6 raw{};
  raw.sin6_family = AF_INET6;
  raw.sin6_port = htons(80);
  raw.sin6_flowinfo = 7;
  raw.sin6_addr = in6addr_loopback;
  CHECK(address(reinterpret_cast<const sockaddr*>(&raw), sizeof raw) == address::parse("[::1]:80"));
}

TEST_CASE("address: a default one is no address") {
  const address none;
  CHECK(none.family() == AF_UNSPEC);
  CHECK(none.size() == 0);
  CHECK(none.port() == 0);
  CHECK(none.host().empty());
  CHECK(zc::to_string(none).empty());
  CHECK(none.unmapped() == none);
}

TEST_CASE("address: made from a sockaddr it has the bytes that a system call wants") {
  sockaddr_storage storage{};
  auto& raw = reinterpret_cast<sockaddr_in&>(storage);
  raw.sin_family = AF_INET;
  raw.sin_port = htons(8080);
  raw.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // As large a buffer as accept(2) was given is no error.
  const address made(reinterpret_cast<const sockaddr*>(&storage), sizeof storage);
  CHECK(zc::to_string(made) == "127.0.0.1:8080");
  REQUIRE(made.size() == sizeof(sockaddr_in));
  CHECK(std::memcmp(made.data(), &raw, sizeof raw) == 0);
  CHECK(address::parse("[::1]:1").size() == sizeof(sockaddr_in6));
}

TEST_CASE("address: a sockaddr of another family, or cut short, is std::invalid_argument") {
  sockaddr_storage storage{};
  const auto* const raw = reinterpret_cast<const sockaddr*>(&storage);
  const auto refused = [&](int family, std::size_t size) {
    storage.ss_family = static_cast<sa_family_t>(family);
    try {
      const address made(raw, static_cast<socklen_t>(size));
      return false;
    } catch (const std::invalid_argument&) {
      return true;
    }
  };
  CHECK(refused(AF_UNIX, sizeof(sockaddr_un)));
  CHECK(refused(AF_UNSPEC, sizeof storage));
  CHECK(refused(AF_INET, sizeof(sockaddr_in) - 1));
  CHECK(refused(AF_INET6, sizeof(sockaddr_in6) - 1));
  CHECK(refused(AF_INET, 1));
  CHECK(refused(AF_INET, 0));
  CHECK_FALSE(refused(AF_INET, sizeof(sockaddr_in)));
  CHECK_FALSE(refused(AF_INET6, sizeof(sockaddr_in6)));
}

TEST_CASE("address: unmapped gives the IPv4 address that an IPv6 one stands for") {
  CHECK(address::parse("[::ffff:1.2.3.4]:5").unmapped() == address::parse("1.2.3.4:5"));
  for (const char* const as_it_is : {"1.2.3.4:5", "[::1]:5", "[::1.2.3.4]:5", "[fe80::1%3]:5"}) {
    CAPTURE(as_it_is);
    CHECK(address::parse(as_it_is).unmapped() == address::parse(as_it_is));
  }
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("kernel");

TEST_CASE("address: a scope may be an interface's name, and is printed as its number") {
  const unsigned loopback = ::if_nametoindex("lo");
  REQUIRE(loopback != 0);
  const address by_name = address::parse("[fe80::1%lo]:80");
  CHECK(by_name == address::parse("[fe80::1%" + std::to_string(loopback) + "]:80"));
  CHECK(by_name.host() == "fe80::1%" + std::to_string(loopback));
}

TEST_CASE("address: local and peer address of a connection are each other's") {
  const support::ends pair = support::tcp_pair();
  const address here = zc::local_address(pair.first.get());
  const address there = zc::peer_address(pair.first.get());
  CHECK(here.host() == "127.0.0.1");
  CHECK(there.host() == "127.0.0.1");
  CHECK_FALSE(here == there);
  CHECK(zc::peer_address(pair.second.get()) == here);
  CHECK(zc::local_address(pair.second.get()) == there);
}

TEST_CASE("address: a socket without one, of another family, or none at all is its error") {
  const support::ends pipe = support::make_pipe();
  const support::ends unix = support::unix_pair();
  std::uint16_t port = 0;
  const zc::fd listener = support::tcp_listener(port);
  CHECK(zc::local_address(listener.get()).port() == port);
  CHECK(error_of(zc::peer_address, listener.get()) == std::errc::not_connected);
  for (address (*const ask)(int) : {&zc::local_address, &zc::peer_address}) {
    CHECK(error_of(ask, -1) == std::errc::bad_file_descriptor);
    CHECK(error_of(ask, pipe.first.get()) == std::errc::not_a_socket);
    CHECK(error_of(ask, unix.first.get()) == std::errc::address_family_not_supported);
  }
}

TEST_SUITE_END();
