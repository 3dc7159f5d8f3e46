#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "../examples/file_server/ranges.hpp"

TEST_SUITE_BEGIN("unit");

namespace {

using file_server::byte_range;
using file_server::byte_ranges;
using kind = byte_ranges::kind;
using parts = std::vector<byte_range>;

parts parts_of(std::string_view field, std::uint64_t file_bytes) {
  const byte_ranges found(field, file_bytes);
  if (found.asked_for() != kind::parts) return {};
  return {found.parts().begin(), found.parts().end()};
}

kind kind_of(std::string_view field, std::uint64_t file_bytes) {
  return byte_ranges(field, file_bytes).asked_for();
}

std::string many(std::size_t count) {
  std::string field = "bytes=";
  for (std::size_t at = 0; at < count; ++at) {
    field += std::to_string(10 * at) + "-" + std::to_string(10 * at + 1) + ",";
  }
  return field;
}

}  // namespace

TEST_CASE("file_server: a range is what it says, as far as the file goes") {
  CHECK(parts_of("bytes=0-0", 10) == parts{{0, 0}});
  CHECK(parts_of("bytes=2-5", 10) == parts{{2, 5}});
  CHECK(parts_of("bytes=2-", 10) == parts{{2, 9}});
  CHECK(parts_of("bytes=2-100", 10) == parts{{2, 9}});
  CHECK(parts_of("bytes=9-9", 10) == parts{{9, 9}});
  CHECK(parts_of("bytes=-3", 10) == parts{{7, 9}});
  CHECK(parts_of("bytes=-100", 10) == parts{{0, 9}});
  CHECK(parts_of("BYTES=2-5", 10) == parts{{2, 5}});
  CHECK(parts_of("bytes= 2-5 ,\t7-8", 10) == parts{{2, 5}, {7, 8}});
}

TEST_CASE("file_server: numbers that are too large for a number are large") {
  CHECK(parts_of("bytes=1-99999999999999999999999", 10) == parts{{1, 9}});
  CHECK(parts_of("bytes=-99999999999999999999999", 10) == parts{{0, 9}});
  CHECK(kind_of("bytes=99999999999999999999999-", 10) == kind::unsatisfiable);
  const std::uint64_t largest = std::numeric_limits<std::int64_t>::max();
  CHECK(parts_of("bytes=-1", largest) == parts{{largest - 1, largest - 1}});
}

TEST_CASE("file_server: a range outside of the file cannot be had, unless another can") {
  CHECK(kind_of("bytes=10-", 10) == kind::unsatisfiable);
  CHECK(kind_of("bytes=10-20,30-", 10) == kind::unsatisfiable);
  CHECK(kind_of("bytes=-0", 10) == kind::unsatisfiable);
  CHECK(parts_of("bytes=20-30,1-2", 10) == parts{{1, 2}});
}

TEST_CASE("file_server: a range from the start of an empty file is all of it") {
  for (const std::string_view field :
       {"bytes=0-", "bytes=0-0", "bytes=0-99", "bytes=-1", "bytes=-0", "bytes=5-9,0-0"}) {
    CAPTURE(field);
    CHECK(kind_of(field, 0) == kind::whole);
  }
  CHECK(kind_of("bytes=5-", 0) == kind::unsatisfiable);
}

TEST_CASE("file_server: what is no range is ignored") {
  for (const std::string_view field :
       {"", "bytes", "bytes=", "bytes=,", "bytes=-", "bytes=a-b", "bytes=1", "bytes=5-2",
        "bytes=1-2-3", "bytes=--1", "bytes=+1-2", "bytes=1-2;3-4", "bytes 1-2", "lines=1-2",
        "bytes=1-2,x", "bytes=0x1-2", "bytes=1 -2", "bytes=1.5-2", "bytes= "}) {
    CAPTURE(field);
    CHECK(kind_of(field, 10) == kind::whole);
  }
}

TEST_CASE("file_server: ranges that do not touch are in the order in which they were asked for") {
  CHECK(parts_of("bytes=8-9,0-1,4-5", 10) == parts{{8, 9}, {0, 1}, {4, 5}});
}

TEST_CASE("file_server: ranges that overlap or touch are one") {
  CHECK(parts_of("bytes=0-5,3-8", 10) == parts{{0, 8}});
  CHECK(parts_of("bytes=0-4,5-8", 10) == parts{{0, 8}});
  CHECK(parts_of("bytes=0-4,6-8", 10) == parts{{0, 4}, {6, 8}});
  CHECK(parts_of("bytes=6-9,0-2,1-3", 10) == parts{{0, 3}, {6, 9}});
  CHECK(parts_of("bytes=0-,0-,0-,0-", 10) == parts{{0, 9}});
  CHECK(parts_of("bytes=0-9,2-3", 10) == parts{{0, 9}});
  CHECK(parts_of("bytes=-1,0-8", 10) == parts{{0, 9}});
}

TEST_CASE("file_server: the parts of an answer are never more than the file") {
  for (std::uint64_t size = 1; size < 20; ++size) {
    for (std::uint64_t step = 1; step < 5; ++step) {
      std::string field = "bytes=";
      for (std::uint64_t at = 0; at < 12; ++at) {
        const std::uint64_t first = at * 7 % size;
        field += std::to_string(first) + "-" + std::to_string(first + at * step % 5) + ",";
      }
      std::uint64_t sum = 0;
      for (const byte_range& each : parts_of(field, size)) sum += each.size();
      CAPTURE(field);
      CHECK(sum > 0);
      CHECK(sum <= size);
    }
  }
}

TEST_CASE("file_server: too many ranges are ignored") {
  CHECK(parts_of(many(byte_ranges::limit), 1000).size() == byte_ranges::limit);
  CHECK(kind_of(many(byte_ranges::limit + 1), 1000) == kind::whole);
  // Those outside of the file, too.
  CHECK(kind_of(many(byte_ranges::limit + 1), 5) == kind::whole);
}

TEST_SUITE_END();
