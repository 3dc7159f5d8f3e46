#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "../examples/file_server/coding.hpp"

namespace {

std::string accepted(std::string_view field) {
  std::string all;
  const file_server::accepted_codings taken(field);
  for (const file_server::coding* const each : taken.all()) {
    all.append(all.empty() ? "" : " ").append(each->name);
  }
  return all;
}

}  // namespace

TEST_SUITE_BEGIN("unit");

TEST_CASE("file_server: of the codings that a client takes the one it prefers is first") {
  CHECK(accepted("") == "");
  CHECK(accepted("gzip") == "gzip");
  CHECK(accepted("gzip, br") == "br gzip");
  CHECK(accepted("gzip, deflate, br, zstd") == "br zstd gzip");
  CHECK(accepted("br;q=0.5, gzip;q=0.8, zstd;q=0.6") == "gzip zstd br");
  CHECK(accepted("gzip;q=0, br") == "br");
  CHECK(accepted("gzip;q=0.000") == "");
  CHECK(accepted("x-gzip") == "gzip");
  CHECK(accepted("GZIP;Q=1") == "gzip");
  CHECK(accepted("*") == "br zstd gzip");
  CHECK(accepted("*;q=0.5, gzip") == "gzip br zstd");
  CHECK(accepted("br;q=0, *") == "zstd gzip");
  CHECK(accepted("identity") == "");
  CHECK(accepted("identity;q=0.5, gzip;q=0.9, br;q=0.1") == "gzip");
  CHECK(accepted("identity;q=0, gzip;q=0.1") == "gzip");
  for (const std::string_view none : {"gzip;q=x", "gzip;q=2", "gzip;q=-1", "gzip;q=nan", "gzipp",
                                      "gz", "deflate", ",", ";", "\"gzip\""}) {
    CAPTURE(none);
    CHECK(accepted(none) == "");
  }
}

TEST_SUITE_END();
