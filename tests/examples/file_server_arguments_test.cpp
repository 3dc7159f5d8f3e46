#include <doctest/doctest.h>

#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "../examples/file_server/arguments.hpp"

TEST_SUITE_BEGIN("unit");

namespace {

using words = std::vector<const char*>;

std::variant<file_server::arguments, file_server::explanation> parse(words all) {
  all.insert(all.begin(), "file_server");
  return file_server::parse_arguments(static_cast<int>(all.size()), all.data());
}

file_server::explanation explained(words all) {
  return std::get<file_server::explanation>(parse(std::move(all)));
}

}  // namespace

TEST_CASE("file_server: what the command line says is what is done") {
  using std::chrono::milliseconds;
  const auto given = std::get<file_server::arguments>(
      parse({"--root", "dir", "--listen", "[::1]:80", "--header-timeout", "0.5", "--idle-timeout",
             "7", "--send-timeout", "1e-3", "--access-log", "--file-cache"}));
  CHECK(given.root == "dir");
  CHECK(given.server.listen == std::vector{server::endpoint::parse("[::1]:80")});
  CHECK(given.limits.head == milliseconds(500));
  CHECK(given.limits.idle == milliseconds(7000));
  CHECK(given.limits.send == milliseconds(1));
  CHECK(given.access_log);
  CHECK(given.file_cache);
}

TEST_CASE("file_server: what is not said is as in the help") {
  const auto given = std::get<file_server::arguments>(parse({"--root", "d", "--listen", ":80"}));
  CHECK(given.limits.head == std::chrono::seconds(10));
  CHECK(given.limits.idle == std::chrono::seconds(60));
  CHECK(given.limits.send == std::chrono::seconds(30));
  CHECK_FALSE(given.access_log);
  CHECK_FALSE(given.file_cache);
  const file_server::explanation help = explained({"--help"});
  CHECK(help.exit_code == 0);
  CHECK(help.err.empty());
  CHECK(given.content.index_names == std::vector<std::string>{"index.html"});
  CHECK_FALSE(given.content.list);
  CHECK_FALSE(given.content.precompressed);
  CHECK(given.content.extra_fields.empty());
  CHECK(given.content.error_pages.empty());
  for (const char* const each :
       {"--root", "--listen", "--idle-timeout", "60", "10", "30", "--index", "index.html", "--list",
        "--precompressed", "--cache-control", "--header", "--error-page", "--log-file",
        "--log-format", "16 ranges"}) {
    CAPTURE(each);
    CHECK(help.out.find(each) != help.out.npos);
  }
}

TEST_CASE("file_server: what is said about content is checked") {
  using file_server::status;
  const auto given = std::get<file_server::arguments>(parse({"--root",
                                                             "d",
                                                             "--listen",
                                                             ":80",
                                                             "--index",
                                                             "a",
                                                             "--index",
                                                             "b.html",
                                                             "--list",
                                                             "--precompressed",
                                                             "--cache-control",
                                                             "no-cache",
                                                             "--header",
                                                             "X-A:  b: c ",
                                                             "--error-page",
                                                             "404=/a%20b/../c.html",
                                                             "--access-log",
                                                             "--log-format",
                                                             "json",
                                                             "--log-file",
                                                             "log"}));
  CHECK(given.content.index_names == std::vector<std::string>{"a", "b.html"});
  CHECK(given.content.list);
  CHECK(given.content.precompressed);
  CHECK(given.content.extra_fields == "Cache-Control: no-cache\r\nX-A: b: c\r\n");
  CHECK(given.content.error_pages == std::map<status, std::string>{{status::not_found, "c.html"}});
  CHECK(given.log_format == file_server::log_format::json);
  CHECK(given.log_file == "log");
  const std::string long_value = "A: " + std::string(10'000, 'a');
  for (const words& each : {words{"--index", "a/b"},
                            words{"--index", ".."},
                            words{"--index", ""},
                            words{"--header", "no colon"},
                            words{"--header", ": value"},
                            words{"--header", "A b: c"},
                            words{"--header", "A: b\r\nC: d"},
                            words{"--header", "content-length: 1"},
                            words{"--header", "Transfer-Encoding: chunked"},
                            words{"--header", long_value.c_str()},
                            words{"--cache-control", "a\nb"},
                            words{"--error-page", "404"},
                            words{"--error-page", "404=lost"},
                            words{"--error-page", "404=/"},
                            words{"--error-page", "404=/../a"},
                            words{"--error-page", "x=/a"},
                            words{"--error-page", "200=/a"},
                            words{"--error-page", "416=/a"},
                            words{"--log-format", "json"},
                            words{"--access-log", "--log-format", "xml"},
                            words{"--log-file", "log"}}) {
    words all{"--root", "d", "--listen", ":80"};
    all.insert(all.end(), each.begin(), each.end());
    CAPTURE(each.back());
    CHECK_FALSE(explained(all).err.empty());
  }
}

TEST_CASE("file_server: a command line that cannot be done is explained") {
  for (const words& each : {words{}, words{"--root", "d"}, words{"--listen", ":80"},
                            words{"--root", "d", "--listen", ":80", "--idle-timeout", "0"},
                            words{"--root", "d", "--listen", ":80", "--idle-timeout", "x"},
                            words{"--root", "d", "--listen", ":80", "--send-timeout", "-1"},
                            words{"--root", "d", "--listen", ":80", "more"}}) {
    const file_server::explanation said = explained(each);
    CHECK(said.exit_code == 2);
    CHECK(said.out.empty());
    CHECK_FALSE(said.err.empty());
    CHECK(said.err.size() < 300);  // for people
  }
}

TEST_SUITE_END();
