#include "../examples/ship/arguments.hpp"

#include <doctest/doctest.h>

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

TEST_SUITE_BEGIN("unit");

namespace {

using words = std::vector<const char*>;

std::variant<ship::arguments, ship::explanation> parse(words all) {
  all.insert(all.begin(), "ship");
  return ship::parse_arguments(static_cast<int>(all.size()), all.data());
}

ship::arguments accepted(words all) { return std::get<ship::arguments>(parse(std::move(all))); }

}  // namespace

TEST_CASE("ship: what the command line says is what is done") {
  const ship::arguments sent = accepted({"send", "host:1", "a", "b/.", "--connections", "64"});
  CHECK(sent.command == ship::arguments::command::send);
  CHECK(sent.address == zc::host_port("host", 1));
  CHECK(sent.paths == std::vector<std::string>{"a", "b/."});
  CHECK(sent.connections == 64);
  CHECK_FALSE(sent.quiet);
  CHECK_FALSE(sent.json);

  const ship::arguments received =
      accepted({"receive", "--keep", "--json", "[::1]:0", "--quiet", "into", "--durable"});
  CHECK(received.command == ship::arguments::command::receive);
  CHECK(received.address == zc::host_port("::1", 0));
  CHECK(received.directory == "into");
  CHECK(received.keep);
  CHECK(received.durable);
  CHECK(received.quiet);
  CHECK(received.json);

  CHECK(accepted({"send", "--", "host:1", "-a", "--b"}).paths ==
        std::vector<std::string>{"-a", "--b"});
}

TEST_CASE("ship: a command line that makes no sense is explained, and help is no error") {
  for (const words& bad :
       std::initializer_list<words>{{},
                                    {"other"},
                                    {"send"},
                                    {"send", "host:1"},
                                    {"receive", "host:1"},
                                    {"receive", "host:1", "a", "b"},
                                    {"send", "host:1", "a", "--keep"},
                                    {"send", "host:1", "a", "--connections", "0"},
                                    {"send", "host:1", "a", "--connections", "65"},
                                    {"send", "host:1", "a", "--connections", "-1"},
                                    {"send", "host:1", "a", "--connections", "1x"},
                                    {"send", "host:1", "a", "--connections"},
                                    {"send", "host:1", "a", "--connections", "4294967297"}}) {
    CAPTURE(bad.size());
    CAPTURE((bad.empty() ? "" : bad.back()));
    const auto said = parse(bad);
    REQUIRE(std::holds_alternative<ship::explanation>(said));
    CHECK(std::get<ship::explanation>(said).exit_code == 2);
    CHECK_FALSE(std::get<ship::explanation>(said).err.empty());
  }
  const auto help = parse({"send", "--help"});
  REQUIRE(std::holds_alternative<ship::explanation>(help));
  CHECK(std::get<ship::explanation>(help).exit_code == 0);
  CHECK(std::get<ship::explanation>(help).out.find("--connections") != std::string::npos);
  CHECK(std::get<ship::explanation>(help).err.empty());
}

TEST_CASE("ship: an address is what every program takes for one, or refused with a sentence") {
  for (const char* const bad :
       {"host:22222222", "host:65536", "host: 80", "host:+80", "host:-1", "host:http", "host:0x50",
        "host:", "host", "", ":", "::1:80", "[::1]", "[host]:80", "host:80 ", "a:1:2"}) {
    CAPTURE(bad);
    for (const words& each : {words{"send", bad, "a"}, words{"receive", bad, "a"}}) {
      const auto said = parse(each);
      REQUIRE(std::holds_alternative<ship::explanation>(said));
      CHECK(std::get<ship::explanation>(said).exit_code == 2);
      CHECK(std::get<ship::explanation>(said).err.find("ADDRESS: ") != std::string::npos);
    }
  }
  const auto said = parse({"receive", "host:22222222", "a"});
  CHECK(std::get<ship::explanation>(said).err.find(
            "host:22222222: the port is not a number from 0 to 65535") != std::string::npos);
}

TEST_SUITE_END();
