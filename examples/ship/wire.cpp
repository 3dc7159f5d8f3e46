#include "wire.hpp"

#include <algorithm>

#include "wire_bytes.hpp"

namespace ship::wire {

namespace {

constexpr std::string_view magic = "zc-ship\n";
constexpr std::uint32_t nanoseconds_per_second = 1'000'000'000;
constexpr std::size_t item_size_bytes = 4 + 8 + 4 + 8 + 4 + 4;
constexpr std::size_t outcome_size_bytes = 4 + 4;
constexpr std::size_t hole_size_bytes = 8;
constexpr std::size_t failures_size_bytes = 8 + 4 + 4 + 4;
constexpr std::uint64_t failure_count_limit = std::uint64_t{1} << 32;

void expect_magic(reader& from) {
  if (from.take(magic.size()) != magic) throw protocol_error("the peer does not speak ship");
}

std::size_t payload_limit_bytes(kind what) {
  switch (what) {
    case kind::directory:
    case kind::attributes:
    case kind::file:
      return item_size_bytes + path_limit_bytes;
    case kind::link:
      return item_size_bytes + 2 * path_limit_bytes;
    case kind::end:
    case kind::result:
      return outcome_size_bytes + reason_limit_bytes;
    case kind::hole:
      return hole_size_bytes;
    case kind::failures:
      return failures_size_bytes + path_limit_bytes + reason_limit_bytes;
    case kind::small_files:
      return small_files_limit_bytes;
    case kind::data:
    case kind::checkpoint:
    case kind::bye:
      return 0;
  }
  throw protocol_error("a frame of unknown kind");
}

bool has_body(kind what) { return what == kind::file || what == kind::data; }

void put_header(std::string& to, kind what, std::size_t payload_bytes, std::uint64_t body_bytes) {
  put(to, static_cast<std::uint32_t>(what));
  put(to, static_cast<std::uint32_t>(payload_bytes));
  put(to, body_bytes);
}

void put_item(std::string& to, const item& of) {
  put(to, of.mode);
  put(to, static_cast<std::uint64_t>(of.modified.seconds));
  put(to, of.modified.nanoseconds);
  put(to, of.size);
  put(to, static_cast<std::uint32_t>(of.path.size()));
  put(to, static_cast<std::uint32_t>(of.target.size()));
  to += of.path;
  to += of.target;
}

item take_item(reader& from) {
  item what;
  what.mode = from.number<std::uint32_t>();
  what.modified.seconds = static_cast<std::int64_t>(from.number<std::uint64_t>());
  what.modified.nanoseconds = from.number<std::uint32_t>();
  what.size = from.number<std::uint64_t>();
  const auto path_bytes = from.number<std::uint32_t>();
  const auto target_bytes = from.number<std::uint32_t>();
  what.path = from.take(path_bytes);
  what.target = from.take(target_bytes);
  check_path(what.path);
  if (what.mode > 07777) throw protocol_error("a mode has more than permission bits");
  if (what.size > size_limit_bytes && what.size != unknown_size)
    throw protocol_error("a file is too long");
  if (what.modified.nanoseconds >= nanoseconds_per_second) throw protocol_error("an odd time");
  if (what.target.size() > path_limit_bytes) throw protocol_error("a link's target is too long");
  if (what.target.find('\0') != std::string::npos) {
    throw protocol_error("a link's target holds a zero byte");
  }
  return what;
}

}  // namespace

void append(std::string& to, const hello& what) {
  to += magic;
  put(to, version);
  put(to, what.connections);
  to.append(what.session.data(), what.session.size());
  put(to, what.files);
  put(to, what.bytes);
}

void append(std::string& to, const welcome& what) {
  to += magic;
  put(to, what.version);
  put(to, static_cast<std::uint32_t>(what.verdict));
}

void append(std::string& to, kind what, const item& of, std::uint64_t body_bytes) {
  put_header(to, what, item_size_bytes + of.path.size() + of.target.size(), body_bytes);
  put_item(to, of);
}

std::size_t small_file_bytes(std::size_t path_bytes, std::size_t contents_bytes) {
  return item_size_bytes + path_bytes + contents_bytes;
}

std::size_t begin_small_files(std::string& to) {
  put_header(to, kind::small_files, 0, 0);
  return to.size();
}

void append_small_file(std::string& to, const item& about, std::string_view contents) {
  put_item(to, about);
  to += contents;
}

void end_small_files(std::string& to, std::size_t begun) {
  std::string header;
  put_header(header, kind::small_files, to.size() - begun, 0);
  to.replace(begun - header_size_bytes, header_size_bytes, header);
}

void append(std::string& to, kind what, const outcome& of) {
  const std::string_view reason = std::string_view(of.reason).substr(0, reason_limit_bytes);
  put_header(to, what, outcome_size_bytes + reason.size(), 0);
  put(to, of.status);
  put(to, static_cast<std::uint32_t>(reason.size()));
  to += reason;
}

void append(std::string& to, const failures& what) {
  const std::string_view path = std::string_view(what.path).substr(0, path_limit_bytes);
  const std::string_view reason = std::string_view(what.reason).substr(0, reason_limit_bytes);
  put_header(to, kind::failures, failures_size_bytes + path.size() + reason.size(), 0);
  put(to, what.count);
  put(to, static_cast<std::uint32_t>(what.alike));
  put(to, static_cast<std::uint32_t>(path.size()));
  put(to, static_cast<std::uint32_t>(reason.size()));
  to += path;
  to += reason;
}

void append_hole(std::string& to, std::uint64_t nbytes) {
  put_header(to, kind::hole, hole_size_bytes, 0);
  put(to, nbytes);
}

void append(std::string& to, kind what, std::uint64_t body_bytes) {
  put_header(to, what, 0, body_bytes);
}

hello parse_hello(std::span<const char, hello_size_bytes> bytes) {
  reader from({bytes.data(), bytes.size()});
  expect_magic(from);
  if (const auto theirs = from.number<std::uint32_t>(); theirs != version) {
    throw version_error("it speaks version " + std::to_string(theirs) +
                        " of the protocol, and this program version " + std::to_string(version));
  }
  hello what;
  what.connections = from.number<std::uint32_t>();
  const std::string_view session = from.take(what.session.size());
  std::copy(session.begin(), session.end(), what.session.begin());
  what.files = from.number<std::uint64_t>();
  what.bytes = from.number<std::uint64_t>();
  if (what.connections < 1 || what.connections > connection_limit) {
    throw protocol_error("a session of " + std::to_string(what.connections) + " connections");
  }
  return what;
}

welcome parse_welcome(std::span<const char, welcome_size_bytes> bytes) {
  reader from({bytes.data(), bytes.size()});
  expect_magic(from);
  const auto theirs = from.number<std::uint32_t>();
  if (theirs != version) return {theirs, verdict::other_version};
  const auto what = from.number<std::uint32_t>();
  if (what > static_cast<std::uint32_t>(verdict::busy)) throw protocol_error("an unknown welcome");
  return {theirs, static_cast<verdict>(what)};
}

header parse_header(std::span<const char, header_size_bytes> bytes) {
  reader from({bytes.data(), bytes.size()});
  const auto what = from.number<std::uint32_t>();
  if (what < static_cast<std::uint32_t>(kind::directory) ||
      what > static_cast<std::uint32_t>(kind::small_files)) {
    throw protocol_error("a frame of unknown kind");
  }
  header parsed;
  parsed.kind = static_cast<kind>(what);
  parsed.payload_bytes = from.number<std::uint32_t>();
  parsed.body_bytes = from.number<std::uint64_t>();
  if (parsed.payload_bytes > payload_limit_bytes(parsed.kind)) {
    throw protocol_error("a frame is too long");
  }
  if (parsed.body_bytes > (has_body(parsed.kind) ? body_limit_bytes : 0)) {
    throw protocol_error("a body is too long");
  }
  return parsed;
}

item parse_item(std::string_view payload) {
  reader from(payload);
  item what = take_item(from);
  from.expect_end();
  return what;
}

std::vector<small_file> parse_small_files(std::string_view payload) {
  std::vector<small_file> files;
  reader from(payload);
  while (!from.at_end()) {
    small_file& one = files.emplace_back();
    one.about = take_item(from);
    if (one.about.size > small_file_limit_bytes) throw protocol_error("a small file is too long");
    if (!one.about.target.empty()) throw protocol_error("a file with the target of a link");
    one.contents = from.take(static_cast<std::size_t>(one.about.size));
  }
  if (files.empty()) throw protocol_error("a frame of small files without any");
  return files;
}

failures parse_failures(std::string_view payload) {
  reader from(payload);
  failures what;
  what.count = from.number<std::uint64_t>();
  const auto alike = from.number<std::uint32_t>();
  const auto path_bytes = from.number<std::uint32_t>();
  const auto reason_bytes = from.number<std::uint32_t>();
  what.path = from.take(path_bytes);
  what.reason = from.take(reason_bytes);
  from.expect_end();
  if (what.count < 1 || what.count > failure_count_limit) throw protocol_error("an odd count");
  if (alike > 1) throw protocol_error("an odd failure");
  what.alike = alike == 1;
  if (what.path.size() > path_limit_bytes) throw protocol_error("a path is too long");
  if (what.reason.size() > reason_limit_bytes) throw protocol_error("a reason is too long");
  return what;
}

std::uint64_t parse_hole(std::string_view payload) {
  reader from(payload);
  const auto nbytes = from.number<std::uint64_t>();
  from.expect_end();
  if (nbytes < 1 || nbytes > size_limit_bytes) throw protocol_error("a hole of an odd size");
  return nbytes;
}

outcome parse_outcome(std::string_view payload) {
  reader from(payload);
  outcome what;
  what.status = from.number<std::uint32_t>();
  if (what.status > 4095) throw protocol_error("an unknown error number");
  what.reason = from.take(from.number<std::uint32_t>());
  from.expect_end();
  return what;
}

}  // namespace ship::wire
