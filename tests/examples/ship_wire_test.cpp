#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "../examples/ship/wire.hpp"

TEST_SUITE_BEGIN("unit");

namespace wire = ship::wire;

namespace {

wire::header header_of(const std::string& bytes) {
  return wire::parse_header(
      std::span<const char, wire::header_size_bytes>(bytes.data(), wire::header_size_bytes));
}

std::string payload_of(const std::string& bytes) { return bytes.substr(wire::header_size_bytes); }

wire::item some_item() {
  wire::item one;
  one.mode = 0640;
  one.modified = {-5, 999'999'999};
  one.size = 123456789012;
  one.path = "a b/\n/c";
  one.target = "../elsewhere";
  return one;
}

}  // namespace

TEST_CASE("ship: what is appended is what is parsed") {
  std::string bytes;
  wire::append(bytes, wire::kind::file, some_item(), 4096);
  const wire::header header = header_of(bytes);
  CHECK(header.kind == wire::kind::file);
  CHECK(header.body_bytes == 4096);
  CHECK(header.payload_bytes == payload_of(bytes).size());
  const wire::item parsed = wire::parse_item(payload_of(bytes));
  CHECK(parsed.mode == 0640);
  CHECK(parsed.modified.seconds == -5);
  CHECK(parsed.modified.nanoseconds == 999'999'999);
  CHECK(parsed.size == 123456789012);
  CHECK(parsed.path == "a b/\n/c");
  CHECK(parsed.target == "../elsewhere");

  bytes.clear();
  wire::append(bytes, wire::kind::result, wire::outcome{28, "no room"});
  const wire::outcome outcome = wire::parse_outcome(payload_of(bytes));
  CHECK(outcome.status == 28);
  CHECK(outcome.reason == "no room");

  bytes.clear();
  wire::append(bytes, wire::failures{12, true, "a", "its directory could not be made"});
  CHECK(header_of(bytes).kind == wire::kind::failures);
  const wire::failures failed = wire::parse_failures(payload_of(bytes));
  CHECK(failed.count == 12);
  CHECK(failed.alike);
  CHECK(failed.path == "a");
  CHECK(failed.reason == "its directory could not be made");

  bytes.clear();
  wire::append_hole(bytes, wire::size_limit_bytes);
  CHECK(header_of(bytes).kind == wire::kind::hole);
  CHECK(header_of(bytes).body_bytes == 0);
  CHECK(wire::parse_hole(payload_of(bytes)) == wire::size_limit_bytes);

  wire::hello hello;
  hello.connections = 8;
  hello.session.fill('s');
  hello.files = 3;
  hello.bytes = 1 << 20;
  bytes.clear();
  wire::append(bytes, hello);
  REQUIRE(bytes.size() == wire::hello_size_bytes);
  const wire::hello greeted = wire::parse_hello(
      std::span<const char, wire::hello_size_bytes>(bytes.data(), wire::hello_size_bytes));
  CHECK(greeted.connections == 8);
  CHECK(greeted.session == hello.session);
  CHECK(greeted.bytes == 1 << 20);
}

TEST_CASE("ship: a path that could leave the directory is refused") {
  for (const std::string& bad :
       {std::string(""), std::string("/"), std::string("/etc/passwd"), std::string(".."),
        std::string("../x"), std::string("a/../../x"), std::string("a/.."), std::string("."),
        std::string("a/./b"), std::string("a//b"), std::string("a/"), std::string("a\0b", 3),
        std::string(wire::path_limit_bytes + 1, 'a')}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(wire::check_path(bad), wire::protocol_error);
  }
  for (const std::string& good : {std::string("a"), std::string("..."), std::string(".a/b.."),
                                  std::string(wire::path_limit_bytes, 'a')}) {
    CAPTURE(good);
    CHECK_NOTHROW(wire::check_path(good));
  }
}

TEST_CASE("ship: temporary names are told from others, and are no part of a path") {
  for (const std::string& name :
       {std::string(".ship-0123456789abcdef"), std::string(".ship-0123456789abcdef-0"),
        std::string(".ship-ffffffffffffffff-1234567890")}) {
    CAPTURE(name);
    CHECK(wire::is_temporary_name(name));
    CHECK_THROWS_AS(wire::check_path(name), wire::protocol_error);
    CHECK_THROWS_AS(wire::check_path("a/" + name + "/b"), wire::protocol_error);
  }
  for (const char* const name :
       {"", ".ship-", ".ship-0123456789abcde", ".ship-0123456789abcdeg", ".ship-0123456789abcdef-",
        ".ship-0123456789abcdef-x", ".ship-0123456789abcdef0", ".ship-0123456789ABCDEF",
        "x.ship-0123456789abcdef"}) {
    CAPTURE(name);
    CHECK_FALSE(wire::is_temporary_name(name));
  }
}

TEST_CASE("ship: a payload that is cut, or has bytes left over, is refused") {
  std::string bytes;
  wire::append(bytes, wire::kind::link, some_item());
  const std::string payload = payload_of(bytes);
  for (std::size_t size = 0; size < payload.size(); ++size) {
    CAPTURE(size);
    CHECK_THROWS_AS(wire::parse_item(payload.substr(0, size)), wire::protocol_error);
  }
  CHECK_THROWS_AS(wire::parse_item(payload + "x"), wire::protocol_error);
}

TEST_CASE("ship: a header beyond the limits is refused") {
  std::string good;
  wire::append(good, wire::kind::data, wire::body_limit_bytes);
  CHECK_NOTHROW(header_of(good));

  std::string bytes;
  wire::append(bytes, wire::kind::data, wire::body_limit_bytes + 1);
  CHECK_THROWS_AS(header_of(bytes), wire::protocol_error);
  bytes.clear();
  wire::append(bytes, wire::kind::bye, 1);
  CHECK_THROWS_AS(header_of(bytes), wire::protocol_error);
  for (const unsigned kind : {0u, 13u, 255u}) {
    bytes = good;
    bytes[0] = static_cast<char>(kind);
    CHECK_THROWS_AS(header_of(bytes), wire::protocol_error);
  }
  for (const wire::kind each : {wire::kind::directory, wire::kind::link, wire::kind::file,
                                wire::kind::data, wire::kind::end, wire::kind::result,
                                wire::kind::hole, wire::kind::failures, wire::kind::small_files}) {
    bytes.clear();
    wire::append(bytes, each);
    std::fill(bytes.begin() + 4, bytes.begin() + 8, '\xff');
    CHECK_THROWS_AS(header_of(bytes), wire::protocol_error);
  }
}

TEST_CASE("ship: small files are parsed as they were appended, and refused where they are odd") {
  wire::item about = some_item();
  about.target.clear();
  about.size = 3;
  std::string bytes;
  std::size_t begun = wire::begin_small_files(bytes);
  wire::append_small_file(bytes, about, "abc");
  about.path = "empty";
  about.size = 0;
  wire::append_small_file(bytes, about, "");
  wire::end_small_files(bytes, begun);
  CHECK(header_of(bytes).kind == wire::kind::small_files);
  CHECK(header_of(bytes).body_bytes == 0);
  const std::string payload = payload_of(bytes);
  CHECK(header_of(bytes).payload_bytes == payload.size());
  CHECK(payload.size() == wire::small_file_bytes(some_item().path.size(), 3) +
                              wire::small_file_bytes(about.path.size(), 0));
  const std::vector<wire::small_file> files = wire::parse_small_files(payload);
  REQUIRE(files.size() == 2);
  CHECK(files[0].about.path == some_item().path);
  CHECK(files[0].about.mode == 0640);
  CHECK(files[0].contents == "abc");
  CHECK(files[1].about.path == "empty");
  CHECK(files[1].contents.empty());

  const std::size_t first = wire::small_file_bytes(some_item().path.size(), 3);
  for (std::size_t size = 0; size < payload.size(); ++size) {
    CAPTURE(size);
    if (size == first) continue;
    CHECK_THROWS_AS(wire::parse_small_files(payload.substr(0, size)), wire::protocol_error);
  }
  const auto refuses = [](const wire::item& one, const std::string& contents) {
    std::string frame;
    const std::size_t at = wire::begin_small_files(frame);
    wire::append_small_file(frame, one, contents);
    wire::end_small_files(frame, at);
    CHECK_THROWS_AS(wire::parse_small_files(payload_of(frame)), wire::protocol_error);
  };
  about.size = 1;
  SUBCASE("a path that leads out") {
    about.path = "a/../../b";
    refuses(about, "x");
  }
  SUBCASE("more than its size") { refuses(about, "xx"); }
  SUBCASE("less than its size") { refuses(about, ""); }
  SUBCASE("larger than a small file") {
    about.size = wire::small_file_limit_bytes + 1;
    refuses(about, std::string(wire::small_file_limit_bytes + 1, 'x'));
  }
  SUBCASE("the target of a link") {
    about.target = "elsewhere";
    refuses(about, "x");
  }
}

TEST_CASE("ship: holes and failures beyond the limits are refused") {
  for (const std::uint64_t nbytes : {std::uint64_t{0}, wire::size_limit_bytes + 1}) {
    std::string bytes;
    wire::append_hole(bytes, nbytes);
    CHECK_THROWS_AS(wire::parse_hole(payload_of(bytes)), wire::protocol_error);
  }
  for (const std::uint64_t count : {std::uint64_t{0}, ~std::uint64_t{0}}) {
    std::string bytes;
    wire::append(bytes, wire::failures{count, false, "a", "b"});
    CHECK_THROWS_AS(wire::parse_failures(payload_of(bytes)), wire::protocol_error);
  }
  std::string bytes;
  wire::append(bytes, wire::failures{1, false, "a", std::string(5000, 'r')});
  CHECK(wire::parse_failures(payload_of(bytes)).reason.size() == wire::reason_limit_bytes);
}

TEST_CASE("ship: a welcome of another version is known for one, and no more of it") {
  const auto parse = [](const wire::welcome& what) {
    std::string bytes;
    wire::append(bytes, what);
    return wire::parse_welcome(
        std::span<const char, wire::welcome_size_bytes>(bytes.data(), wire::welcome_size_bytes));
  };
  CHECK(parse({wire::version, wire::verdict::busy}).verdict == wire::verdict::busy);
  const wire::welcome older = parse({1, wire::verdict::welcome});
  CHECK(older.verdict == wire::verdict::other_version);
  CHECK(older.version == 1);
}

TEST_CASE("ship: a greeting in another language or version is refused") {
  wire::hello hello;
  hello.connections = 1;
  std::string good;
  wire::append(good, hello);
  const auto parse = [](const std::string& bytes) {
    return wire::parse_hello(
        std::span<const char, wire::hello_size_bytes>(bytes.data(), wire::hello_size_bytes));
  };
  CHECK_NOTHROW(parse(good));
  std::string bad = good;
  bad[0] = 'G';
  CHECK_THROWS_AS(parse(bad), wire::protocol_error);
  bad = good;
  bad[8] = 1;
  CHECK_THROWS_AS(parse(bad), wire::version_error);
  bad = good;
  bad[12] = 0;
  CHECK_THROWS_AS(parse(bad), wire::protocol_error);
  bad[14] = 1;
  CHECK_THROWS_AS(parse(bad), wire::protocol_error);
}

TEST_SUITE_END();
