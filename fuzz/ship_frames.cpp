// Frames, one after the other, as either end reads them. Their bodies are left out: nothing looks
// into those.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "../examples/ship/wire.hpp"
#include "require.hpp"

namespace wire = ship::wire;

namespace {

void check(const wire::item& what) {
  require(!what.path.empty() && what.path.size() <= wire::path_limit_bytes,
          "a path is within its limit");
  require(what.target.size() <= wire::path_limit_bytes, "a target is within its limit");
  require((what.path + what.target).find('\0') == std::string::npos, "no name holds a zero byte");
  require(what.size <= wire::size_limit_bytes || what.size == wire::unknown_size,
          "a size is within its limit");
  require(what.mode <= 07777, "a mode is permission bits");
  require(what.modified.nanoseconds < 1'000'000'000, "a time is one");
}

/// One frame as it would be sent again.
std::string again(const wire::header& header, std::string_view payload) {
  std::string bytes;
  switch (header.kind) {
    case wire::kind::directory:
    case wire::kind::attributes:
    case wire::kind::link:
    case wire::kind::file: {
      const wire::item what = wire::parse_item(payload);
      check(what);
      wire::append(bytes, header.kind, what, header.body_bytes);
      break;
    }
    case wire::kind::end:
    case wire::kind::result: {
      const wire::outcome what = wire::parse_outcome(payload);
      require(what.reason.size() <= wire::reason_limit_bytes, "a reason is within its limit");
      wire::append(bytes, header.kind, what);
      break;
    }
    case wire::kind::hole: {
      const std::uint64_t nbytes = wire::parse_hole(payload);
      require(nbytes > 0 && nbytes <= wire::size_limit_bytes, "a hole is within its limit");
      wire::append_hole(bytes, nbytes);
      break;
    }
    case wire::kind::failures: {
      const wire::failures what = wire::parse_failures(payload);
      require(what.path.size() <= wire::path_limit_bytes, "a path is within its limit");
      require(what.reason.size() <= wire::reason_limit_bytes, "a reason is within its limit");
      wire::append(bytes, what);
      break;
    }
    case wire::kind::small_files: {
      const std::size_t begun = wire::begin_small_files(bytes);
      for (const wire::small_file& each : wire::parse_small_files(payload)) {
        check(each.about);
        require(each.about.size == each.contents.size(), "a small file has its size");
        require(each.contents.size() <= wire::small_file_limit_bytes,
                "a small file is within its limit");
        wire::append_small_file(bytes, each.about, each.contents);
      }
      wire::end_small_files(bytes, begun);
      break;
    }
    case wire::kind::data:
    case wire::kind::checkpoint:
    case wire::kind::bye:
      wire::append(bytes, header.kind, header.body_bytes);
      break;
  }
  return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view left(reinterpret_cast<const char*>(data), size);
  try {
    while (left.size() >= wire::header_size_bytes) {
      const wire::header header = wire::parse_header(
          std::span<const char, wire::header_size_bytes>(left.data(), wire::header_size_bytes));
      require(header.body_bytes <= wire::body_limit_bytes, "a body is within its limit");
      const std::size_t frame_bytes = wire::header_size_bytes + header.payload_bytes;
      if (left.size() < frame_bytes) break;
      const std::string_view frame = left.substr(0, frame_bytes);
      require(again(header, frame.substr(wire::header_size_bytes)) == frame,
              "a frame is what was parsed");
      left.remove_prefix(frame_bytes);
    }
  } catch (const wire::protocol_error&) {
    // As it should say; anything else ends the program.
  }
  return 0;
}
