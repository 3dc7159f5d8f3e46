#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// What goes over a connection between `ship send` and `ship receive`. Pure: no I/O.
///
/// The sender begins with a hello, the receiver answers with a welcome. Then the sender sends
/// frames, and the receiver answers each item (a directory, its attributes, a symbolic link, a
/// file, failures, a checkpoint, a bye) with one result frame, in order. A large file is a file
/// frame, any number of data and hole frames and an end frame; file and data frames are followed by
/// `body_bytes` bytes of content. A body is always whole: a sender that cannot read it all pads it,
/// and says so in the end frame. Small files travel whole, many in one small_files frame: each is
/// an item of its own, its contents behind it. What fails on the sender's side alone it tells
/// before its bye, so that both sides know of the same failures. Integers are little-endian.
/// Whatever comes in is checked against the limits below before anything is allocated for it.
namespace ship::wire {

/// The peer broke the rules above: nothing more can be understood on this connection.
class protocol_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The peer speaks another version than ours.
class version_error : public protocol_error {
 public:
  using protocol_error::protocol_error;
};

inline constexpr std::uint32_t version = 3;
inline constexpr std::uint32_t connection_limit = 256;
inline constexpr std::size_t path_limit_bytes = 4096;
inline constexpr std::size_t reason_limit_bytes = 1024;
inline constexpr std::uint64_t body_limit_bytes = 8 * 1024 * 1024;
inline constexpr std::uint64_t size_limit_bytes = std::uint64_t{1} << 62;
/// Of a file in a small_files frame, and of all that such a frame holds.
inline constexpr std::size_t small_file_limit_bytes = 64 * 1024;
inline constexpr std::size_t small_files_limit_bytes = 256 * 1024;
/// Of a file that does not tell its size: what comes up to the end frame is all of it.
inline constexpr std::uint64_t unknown_size = ~std::uint64_t{0};

using session_id = std::array<char, 16>;

struct hello {
  std::uint32_t connections = 0;  // of this session
  session_id session{};           // random: what ties its connections together
  std::uint64_t files = 0;        // for the progress display, and nothing else
  std::uint64_t bytes = 0;
};
inline constexpr std::size_t hello_size_bytes = 48;

enum class verdict : std::uint32_t { welcome, other_version, busy };

struct welcome {
  std::uint32_t version = wire::version;  // the receiver's; of another one only this is read
  wire::verdict verdict = wire::verdict::welcome;
};
inline constexpr std::size_t welcome_size_bytes = 16;

enum class kind : std::uint8_t {
  directory = 1,  // make it
  attributes,     // the mode and time of a directory, once all is in it
  link,           // a symbolic link
  file,           // the beginning of a file, with a body
  data,           // more of it: a body only
  end,            // the end of it: whether it was all there
  checkpoint,     // only asks for a result
  bye,            // the last one on this connection
  result,         // from the receiver
  hole,           // more of a file: zeros, which are not sent
  failures,       // of the sender, that the receiver cannot know of
  small_files,    // some files with all that is in them
};

struct header {
  wire::kind kind{};
  std::uint32_t payload_bytes = 0;
  std::uint64_t body_bytes = 0;
};
inline constexpr std::size_t header_size_bytes = 16;

struct timestamp {
  std::int64_t seconds = 0;
  std::uint32_t nanoseconds = 0;
};

/// The payload of a directory (path only), attributes, link and file frame.
struct item {
  std::uint32_t mode = 0;  // permission bits
  timestamp modified;
  std::uint64_t size = 0;  // of a file, or unknown_size
  std::string path;        // relative, checked by check_path()
  std::string target;      // of a link
};

/// One of those in the payload of a small_files frame.
struct small_file {
  wire::item about;
  std::string_view contents;  // in the payload
};
/// How much of a payload such a file takes.
std::size_t small_file_bytes(std::size_t path_bytes, std::size_t contents_bytes);

/// The payload of an end and a result frame.
struct outcome {
  std::uint32_t status = 0;  // an errno; 0 is success
  std::string reason;        // for people
};

/// The payload of a failures frame.
struct failures {
  std::uint64_t count = 1;  // how many failed so
  bool alike = false;       // one cause, of which there may be more
  std::string path;         // of the first: for people, and so unchecked
  std::string reason;       // for people
};

void append(std::string& to, const hello& what);
void append(std::string& to, const welcome& what);
void append(std::string& to, kind what, const item& of, std::uint64_t body_bytes = 0);
void append(std::string& to, kind what, const outcome& of);
void append(std::string& to, const failures& what);
void append_hole(std::string& to, std::uint64_t nbytes);
/// A small_files frame: begin it, append the files, end it with what its beginning gave. The caller
/// keeps to the limits.
std::size_t begin_small_files(std::string& to);
void append_small_file(std::string& to, const item& about, std::string_view contents);
void end_small_files(std::string& to, std::size_t begun);
/// A data, checkpoint or bye frame.
void append(std::string& to, kind what, std::uint64_t body_bytes = 0);

/// Each throws protocol_error for what breaks the format or a limit.
hello parse_hello(std::span<const char, hello_size_bytes> bytes);
welcome parse_welcome(std::span<const char, welcome_size_bytes> bytes);
header parse_header(std::span<const char, header_size_bytes> bytes);
item parse_item(std::string_view payload);
outcome parse_outcome(std::string_view payload);
failures parse_failures(std::string_view payload);
/// What it gives refers to the payload.
std::vector<small_file> parse_small_files(std::string_view payload);
/// How long it is: at least a byte.
std::uint64_t parse_hole(std::string_view payload);

/// What a receiver calls what it has unfinished: `.ship-0123456789abcdef`, also with `-NUMBER`.
bool is_temporary_name(std::string_view name);

/// A path is relative, without empty, `.` and `..` parts and temporary names, and no longer than
/// the limit.
void check_path(std::string_view path);

}  // namespace ship::wire
