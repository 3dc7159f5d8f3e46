#include <doctest/doctest.h>
#include <sys/resource.h>

#include <initializer_list>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>

#include "../examples/server/descriptors.hpp"
#include "../examples/server/listeners.hpp"
#include "../examples/server/metrics.hpp"
#include "support/process.hpp"

// What servers have in common, by the piece.

TEST_SUITE_BEGIN("unit");

namespace {

using server::endpoint;

/// What is wrong with a text in the format of Prometheus; empty where nothing is.
std::string fault_in(const std::string& text) {
  static const std::regex help("# HELP [a-z_]+ .*");
  static const std::regex type("# TYPE ([a-z_]+) (counter|gauge)");
  static const std::regex sample(R"re(([a-z_]+)(\{[a-z]+="([^"\\]|\\["\\n])*"\})? [0-9]+)re");
  if (!text.ends_with("\n")) return "no end of a line";
  std::istringstream lines(text);
  std::set<std::string> typed;
  for (std::string line; std::getline(lines, line);) {
    std::smatch found;
    if (std::regex_match(line, help)) continue;
    if (std::regex_match(line, found, type)) {
      if (!typed.insert(found[1]).second) return "twice: " + line;
    } else if (!std::regex_match(line, found, sample) || !typed.contains(found[1])) {
      return line;
    }
  }
  return {};
}

}  // namespace

TEST_CASE("server: where to listen is an address, a path, or what systemd passes") {
  CHECK(endpoint::parse(":80") == endpoint{endpoint::kind::tcp, zc::host_port("", 80), ""});
  CHECK(endpoint::parse("[::1]:0") == endpoint{endpoint::kind::tcp, zc::host_port("::1", 0), ""});
  CHECK(endpoint::parse("unix:/a b") == endpoint{endpoint::kind::unix, {}, "/a b"});
  CHECK(endpoint::parse("systemd") == endpoint{endpoint::kind::systemd, {}, ""});
  for (const std::string& bad : {std::string("unix:"), "unix:" + std::string(108, 'a'),
                                 std::string("80"), std::string("systemd:")}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(endpoint::parse(bad), std::invalid_argument);
  }
  CHECK(endpoint::parse("unix:" + std::string(107, 'a')).path.size() == 107);
}

TEST_CASE("server: numbers are told in the text format of Prometheus, whatever they are about") {
  server::metrics told("one");
  told.counter("begun_total", "All\nof \\them.", 7);
  told.gauge("now", "\"Some\".", 18446744073709551615u);
  told.counters("answers_total", "By code.");
  told.add("answers_total", "code", "2\"0\\0\n", 1);
  told.add("answers_total", "code", "404", 2);
  CHECK(fault_in(told.text()) == "");
  CHECK(told.text() ==
        "# HELP one_begun_total All\\nof \\\\them.\n"
        "# TYPE one_begun_total counter\n"
        "one_begun_total 7\n"
        "# HELP one_now \"Some\".\n"
        "# TYPE one_now gauge\n"
        "one_now 18446744073709551615\n"
        "# HELP one_answers_total By code.\n"
        "# TYPE one_answers_total counter\n"
        "one_answers_total{code=\"2\\\"0\\\\0\\n\"} 1\n"
        "one_answers_total{code=\"404\"} 2\n");
  CHECK(server::asks_for_metrics("GET /metrics HTTP/1.1"));
  CHECK(server::asks_for_metrics("GET /metrics?name=x HTTP/1.1"));
  for (const char* const other :
       {"", "GET / HTTP/1.1", "GET /metricsx HTTP/1.1", "POST /metrics HTTP/1.1", "GET /metrics"}) {
    CAPTURE(other);
    CHECK_FALSE(server::asks_for_metrics(other));
  }
}

TEST_CASE("server: descriptors are shared out so that who is accepted has all of them") {
  const int status = support::in_child([] {
    server::options given;
    // As in docs/servers.md.
    const rlimit documented{14'548, 14'548};
    if (::setrlimit(RLIMIT_NOFILE, &documented) == 0) {
      given.threads = 4;
      given.connections = 5000;
      given.listen.resize(1);
      const server::room all =
          server::make_room(given, {.of_connection = 2, .kept_by_thread = 1000});
      if (all.connections != 5000 || all.kept_by_thread != 1000 || all.pipes != 64) return 7;
    }
    given.connections.reset();
    const rlimit few{400, 400};
    ::setrlimit(RLIMIT_NOFILE, &few);
    given.threads = 2;
    const server::room one = server::make_room(given, {.of_connection = 1});
    const server::room two = server::make_room(given, {.of_connection = 2});
    if (one.connections < 200 || one.connections > 400 || one.pipes < 1) return 1;
    if (two.connections != one.connections / 2) return 2;
    const server::room keeping = server::make_room(given, {.kept_by_thread = 1000});
    const std::size_t all = keeping.connections + 2 * (keeping.kept_by_thread + 2 * keeping.pipes);
    if (keeping.kept_by_thread == 0 || all >= 400 || keeping.connections < 100) return 3;
    given.connections = 5;
    if (server::make_room(given, {.of_connection = 2}).connections != 5) return 4;
    const rlimit none{12, 12};
    ::setrlimit(RLIMIT_NOFILE, &none);
    try {
      server::make_room(given, {});
      return 5;
    } catch (const std::runtime_error& why) {
      return std::string(why.what()).find("ulimit -n") != std::string::npos ? 0 : 6;
    }
  });
  CHECK(support::exited_with(status, 0));
}

TEST_SUITE_END();
