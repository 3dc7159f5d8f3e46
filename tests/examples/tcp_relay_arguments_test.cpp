#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <variant>
#include <vector>

#include "../examples/tcp_relay/arguments.hpp"

TEST_SUITE_BEGIN("unit");

namespace {

using namespace std::chrono_literals;
using server::proxy_protocol::version;
using tcp_relay::arguments;
using tcp_relay::explanation;
using words = std::vector<const char*>;

std::variant<arguments, explanation> parse(words all) {
  all.insert(all.begin(), {"tcp_relay", "--listen", "[::1]:80", "--to", "host:8080"});
  return tcp_relay::parse_arguments(static_cast<int>(all.size()), all.data());
}

arguments accepted(words all) { return std::get<arguments>(parse(std::move(all))); }

}  // namespace

TEST_CASE("tcp_relay: what the command line says is what is done") {
  const arguments few = accepted({});
  CHECK(few.server.listen == std::vector{server::endpoint::parse("[::1]:80")});
  CHECK(few.to == zc::host_port("host", 8080));
  CHECK(few.connect_timeout == 5s);
  CHECK(few.header_timeout == 5s);
  CHECK(few.idle_timeout == 600s);
  CHECK_FALSE(few.send_proxy.has_value());
  CHECK_FALSE(few.accept_proxy);
  CHECK_FALSE(few.json);

  const arguments all =
      accepted({"--threads", "3", "--connections", "100", "--grace", "2", "--connect-timeout",
                "0.25", "--header-timeout", "1.5", "--idle-timeout", "0", "--send-proxy", "v2",
                "--accept-proxy", "--json"});
  CHECK(all.server.threads == 3);
  CHECK(all.server.connections == 100);
  CHECK(all.server.grace == 2s);
  CHECK(all.connect_timeout == 250ms);
  CHECK(all.header_timeout == 1500ms);
  CHECK(all.idle_timeout == 0s);
  CHECK(all.send_proxy == version::v2);
  CHECK(all.accept_proxy);
  CHECK(all.json);
  CHECK(accepted({"--send-proxy", "v1"}).send_proxy == version::v1);
  // A time that is given is never none.
  CHECK(accepted({"--idle-timeout", "0.0000001"}).idle_timeout == 1ms);
}

TEST_CASE("tcp_relay: a command line that makes no sense is explained, and help is no error") {
  for (const words& bad : std::initializer_list<words>{{"--to", "again:1"},
                                                       {"--send-proxy", "1"},
                                                       {"--send-proxy"},
                                                       {"--connect-timeout", "0"},
                                                       {"--connect-timeout", "-1"},
                                                       {"--connect-timeout", "soon"},
                                                       {"--header-timeout", "0"},
                                                       {"--idle-timeout", "-0.5"},
                                                       {"--idle-timeout", "1e300"},
                                                       {"--idle-timeout", "nan"},
                                                       {"more"},
                                                       {"--unknown"}}) {
    CAPTURE(std::string(bad.front()));
    CAPTURE(std::string(bad.back()));
    const auto said = parse(bad);
    REQUIRE(std::holds_alternative<explanation>(said));
    CHECK(std::get<explanation>(said).exit_code == 2);
    CHECK_FALSE(std::get<explanation>(said).err.empty());
  }
  const auto help = std::get<explanation>(parse({"--help"}));
  CHECK(help.exit_code == 0);
  CHECK(help.out.find("--send-proxy") != std::string::npos);
}

TEST_SUITE_END();
