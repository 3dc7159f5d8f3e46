#include <doctest/doctest.h>

#include <initializer_list>
#include <string_view>

#include "../examples/file_server/conditions.hpp"

TEST_SUITE_BEGIN("unit");

namespace {

using file_server::judge_conditions;
using file_server::range_applies;
using file_server::request;
using file_server::seconds;
using file_server::verdict;

constexpr seconds modified = 784'111'777;
constexpr seconds now = modified + 1'000'000;
constexpr std::string_view same = "Sun, 06 Nov 1994 08:49:37 GMT";
constexpr std::string_view before = "Sun, 06 Nov 1994 08:49:36 GMT";
constexpr std::string_view after = "Sun, 06 Nov 1994 08:49:38 GMT";
constexpr file_server::validators file{"\"tag\"", modified};

verdict judge(const request& asked) { return judge_conditions(asked, file, now); }

verdict with_match(std::string_view field) {
  request asked;
  asked.if_match.add(field);
  return judge(asked);
}

verdict with_none_match(std::string_view field) {
  request asked;
  asked.if_none_match.add(field);
  return judge(asked);
}

bool with_if_range(std::string_view field, seconds when = now) {
  request asked;
  asked.if_range = field;
  return range_applies(asked, file, when);
}

}  // namespace

TEST_CASE("file_server: a request without conditions is answered") {
  CHECK(judge({}) == verdict::proceed);
}

TEST_CASE("file_server: If-None-Match spares who has the file to be sent it again") {
  for (const std::string_view list :
       {"\"tag\"", "W/\"tag\"", "*", " * ", "\"a\", \"tag\"", "\"a\",W/\"tag\" , \"b\"",
        ", ,\"tag\"", "\"a,b\", \"tag\"", "\"\", \"tag\""}) {
    CAPTURE(list);
    CHECK(with_none_match(list) == verdict::not_modified);
  }
  for (const std::string_view list :
       {"", "\"other\"", "tag", "\"tag", "w/\"tag\"", "\"TAG\"", "\"tag \"", "x, \"tag\"", "**"}) {
    CAPTURE(list);
    CHECK(with_none_match(list) == verdict::proceed);
  }
}

TEST_CASE("file_server: If-Match wants the very file") {
  for (const std::string_view list : {"\"tag\"", "*", "\"a\", \"tag\"", "W/\"tag\", \"tag\""}) {
    CAPTURE(list);
    CHECK(with_match(list) == verdict::proceed);
  }
  for (const std::string_view list : {"\"other\"", "W/\"tag\"", "", "tag"}) {
    CAPTURE(list);
    CHECK(with_match(list) == verdict::precondition_failed);
  }
}

TEST_CASE("file_server: a list may come in several lines") {
  request asked;
  asked.if_none_match.add("\"a\"");
  asked.if_none_match.add("\"b\"");
  CHECK(judge(asked) == verdict::proceed);
  asked.if_none_match.add("\"tag\"");
  CHECK(asked.if_none_match.values() == "\"a\", \"b\", \"tag\"");
  CHECK(judge(asked) == verdict::not_modified);
}

TEST_CASE("file_server: If-Modified-Since compares seconds") {
  struct row {
    std::string_view since;
    verdict wanted;
  };
  for (const row& each : {row{before, verdict::proceed}, row{same, verdict::not_modified},
                          row{after, verdict::not_modified}, row{"yesterday", verdict::proceed}}) {
    CAPTURE(each.since);
    request asked;
    asked.if_modified_since = each.since;
    CHECK((judge(asked) == each.wanted));
  }
}

TEST_CASE("file_server: If-Unmodified-Since compares seconds") {
  struct row {
    std::string_view since;
    verdict wanted;
  };
  for (const row& each : {row{before, verdict::precondition_failed}, row{same, verdict::proceed},
                          row{after, verdict::proceed}, row{"yesterday", verdict::proceed}}) {
    CAPTURE(each.since);
    request asked;
    asked.if_unmodified_since = each.since;
    CHECK((judge(asked) == each.wanted));
  }
}

TEST_CASE("file_server: a tag counts more than a date") {
  request asked;
  asked.if_none_match.add("\"other\"");
  asked.if_modified_since = after;
  CHECK(judge(asked) == verdict::proceed);
  request wants;
  wants.if_match.add("\"tag\"");
  wants.if_unmodified_since = before;
  CHECK(judge(wants) == verdict::proceed);
}

TEST_CASE("file_server: what must hold is looked at before what need not") {
  request asked;
  asked.if_match.add("\"other\"");
  asked.if_none_match.add("\"tag\"");
  CHECK(judge(asked) == verdict::precondition_failed);
  request both;
  both.if_match.add("\"tag\"");
  both.if_none_match.add("\"tag\"");
  CHECK(judge(both) == verdict::not_modified);
}

TEST_CASE("file_server: a range counts where If-Range names the file as it is") {
  CHECK(range_applies({}, file, now));
  CHECK(with_if_range("\"tag\""));
  CHECK(with_if_range(same));
  for (const std::string_view other : std::initializer_list<std::string_view>{
           "W/\"tag\"", "\"other\"", "\"tag\", \"b\"", "*", "tag", "", before, after}) {
    CAPTURE(other);
    CHECK_FALSE(with_if_range(other));
  }
}

TEST_CASE("file_server: a date of this very second names no file for sure") {
  CHECK_FALSE(with_if_range(same, modified));
  CHECK(with_if_range(same, modified + 1));
}

TEST_SUITE_END();
