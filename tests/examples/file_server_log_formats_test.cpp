#include <doctest/doctest.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "../examples/file_server/access_log.hpp"
#include "examples/file_server_support.hpp"
#include "examples/http_client.hpp"
#include "examples/ship_support.hpp"
#include "support/descriptors.hpp"

// The access log's formats: what other programs make of them.

namespace {

using namespace std::chrono_literals;
using file_server::access_log;
using file_server::log_entry;
using file_server::log_format;
using file_server::log_outcome;
using file_server::request;
using nlohmann::json;

const log_outcome served{"192.0.2.1", 784'111'777, file_server::status::ok, 2326, 12'345us};

request asked() {
  request made;
  made.method = request::verb::get;
  made.method_name = "GET";
  made.target = "/a?b=\"c\"";
  made.http_1_1 = true;
  made.referer = "http://x.example/";
  made.user_agent = "curl/7.88";
  return made;
}

std::string line(log_format how, const request& of) {
  return log_line(how, log_entry(of), served, 4000);
}

std::string contents(const std::filesystem::path& path) {
  return support::contents(support::open_file(path, O_RDONLY).get());
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> found;
  std::istringstream from(text);
  for (std::string each; std::getline(from, each);) found.push_back(each);
  return found;
}

/// What there is to ask of a server, and one request that is none.
void ask_for_all(const support::file_server& server) {
  CHECK(server.get("/file", "User-Agent: a \"b\" \xc3\xa4 \x80\r\nReferer: /x\\y\r\n").status ==
        200);
  CHECK(server.get("/none?%22%0d%0a\"'\\").status == 404);
  CHECK(server.get("/\xc3\xa4\xff").status == 404);
  support::http_client hostile(server.address());
  hostile.send("\x16\x03\x01");
  CHECK(hostile.receive().status == 400);
}

}  // namespace

TEST_SUITE_BEGIN("unit");

TEST_CASE("file_server: a line of the log is as the Common Log Format has it") {
  const std::string common =
      "192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b=\\x22c\\x22 HTTP/1.1\" 200 2326";
  CHECK(line(log_format::common, asked()) == common + "\n");
  CHECK(line(log_format::combined, asked()) == common + " \"http://x.example/\" \"curl/7.88\"\n");
}

TEST_CASE("file_server: what was not said, or not understood, is a dash in the log") {
  CHECK(line(log_format::combined, request()) ==
        "192.0.2.1 - - [06/Nov/1994:08:49:37 +0000] \"-\" 200 2326 \"-\" \"-\"\n");
}

TEST_CASE("file_server: a line of the log may be an object of JSON") {
  const std::string said = line(log_format::json, asked());
  CHECK(said.ends_with("}\n"));
  CHECK(json::parse(said) == json{{"time", "1994-11-06T08:49:37Z"},
                                  {"client", "192.0.2.1"},
                                  {"method", "GET"},
                                  {"target", "/a?b=\"c\""},
                                  {"protocol", "HTTP/1.1"},
                                  {"status", 200},
                                  {"bytes", 2326},
                                  {"seconds", 0.012345},
                                  {"referer", "http://x.example/"},
                                  {"user_agent", "curl/7.88"}});
  const json unread = json::parse(line(log_format::json, request()));
  for (const char* const name : {"method", "target", "protocol", "referer", "user_agent"}) {
    CHECK(unread[name].is_null());
  }
}

TEST_CASE("file_server: whatever bytes are asked for, a line of JSON is JSON, and harmless") {
  std::string every;
  for (int each = 1; each < 256; ++each) every.push_back(static_cast<char>(each));
  for (const std::string& text :
       {every, std::string("\xe2\x80\xae\xc2\x9b"), std::string("\xed\xa0\x80"),
        std::string("\xf0\x9f\x98"), std::string("a\0b", 3)}) {
    request of = asked();
    of.target = text;
    of.user_agent = text;
    const std::string said = line(log_format::json, of);
    CHECK(std::all_of(said.begin(), said.end() - 1,
                      [](char each) { return each >= ' ' && each <= '~'; }));
    CHECK(json::parse(said)["target"].is_string());
  }
  request of = asked();
  of.target = "/\xc3\xa4";
  CHECK(json::parse(line(log_format::json, of))["target"] == "/\xc3\xa4");
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("kernel");

TEST_CASE("file_server: a line of the log is never longer than a pipe takes at once") {
  const std::string much(8000, '\x01');
  request of = asked();
  of.target = much;
  of.referer = much;
  of.user_agent = much;
  const support::temporary_directory at;
  for (const log_format how : {log_format::common, log_format::combined, log_format::json}) {
    const std::filesystem::path path = at.path() / std::to_string(static_cast<int>(how));
    const access_log log(how, path);
    log.write(log_entry(of), served);
    log.write(log_entry(asked()), served);
    const std::vector<std::string> lines = lines_of(contents(path));
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].size() < PIPE_BUF);
    CHECK(lines[0].size() > 1000);
    CHECK(lines[0].find("...") != std::string::npos);
    if (how == log_format::json) CHECK(json::parse(lines[0])["status"] == 200);
  }
}

TEST_CASE("file_server: a log that was renamed goes on in a new file when it is opened again") {
  const support::temporary_directory at;
  const std::filesystem::path path = at.path() / "log";
  access_log log(log_format::common, path);
  log.write(log_entry(asked()), served);
  std::filesystem::rename(path, at.path() / "old");
  log.write(log_entry(asked()), served);
  log.reopen();
  log.write(log_entry(asked()), served);
  CHECK(lines_of(contents(at.path() / "old")).size() == 2);
  CHECK(lines_of(contents(path)).size() == 1);
  // Where it cannot be, it goes on where it was.
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  CHECK_THROWS_AS(log.reopen(), std::system_error);
  CHECK_THROWS_AS(access_log(log_format::common, path), std::system_error);
  std::filesystem::remove(path);
  log.reopen();
  log.write(log_entry(asked()), served);
  CHECK(lines_of(contents(path)).size() == 1);
}

TEST_CASE("examples/file_server: GoAccess reads its access log, every line") {
  const support::temporary_directory at;
  struct row {
    std::string format, known_as;
  };
  for (const row& each : {row{"common", "COMMON"}, row{"combined", "COMBINED"}}) {
    CAPTURE(each.format);
    const std::string log = at.path() / each.format;
    {
      support::file_server server({"--access-log", "--log-file", log, "--log-format", each.format});
      server.add("file", 1234);
      ask_for_all(server);
    }
    const std::string report = at.path() / (each.format + ".json");
    const support::program::result done =
        support::run_program({support::installed("goaccess"), log, "--no-global-config",
                              "--no-progress", "--log-format", each.known_as, "--output", report});
    CHECK(done.code == 0);
    const json found = json::parse(contents(report));
    CHECK(found["general"]["total_requests"] == 4);
    CHECK(found["general"]["valid_requests"] == 4);
    CHECK(found["general"]["failed_requests"] == 0);
    CHECK(found["general"]["bandwidth"] >= 1234);
    CHECK(found["requests"]["data"][0]["data"] == "/file");
    CHECK(found["hosts"]["data"][0]["data"] == "127.0.0.1");
    CHECK(found["not_found"]["data"].size() == 2);
  }
}

TEST_CASE("examples/file_server: its access log is JSON on demand") {
  const support::temporary_directory at;
  const std::string log = at.path() / "log";
  support::file_server server({"--access-log", "--log-file", log, "--log-format", "json"});
  server.add("file", 1234);
  ask_for_all(server);
  CHECK(support::complaints_in(server.stop(SIGTERM)) == "");
  std::vector<json> lines;
  for (const std::string& each : lines_of(contents(log))) lines.push_back(json::parse(each));
  REQUIRE(lines.size() == 4);
  CHECK(lines[0]["target"] == "/file");
  CHECK(lines[0]["bytes"] == 1234);
  CHECK(lines[0]["client"] == "127.0.0.1");
  CHECK(lines[0]["user_agent"] == "a \"b\" \xc3\xa4 \xef\xbf\xbd");
  CHECK(lines[0]["seconds"] >= 0.0);
  CHECK(lines[1]["status"] == 404);
  CHECK(lines[2]["target"] == "/\xc3\xa4\xef\xbf\xbd");
  CHECK(lines[3]["status"] == 400);
  CHECK(lines[3]["target"].is_null());
}

TEST_SUITE_END();
