// What a client of file_server sends: heads, targets and bodies.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../examples/file_server/head_scan.hpp"
#include "../examples/file_server/request.hpp"
#include "../examples/file_server/request_body.hpp"
#include "../examples/file_server/target.hpp"
#include "require.hpp"

namespace {

using file_server::head_scan;
using file_server::request;
using file_server::request_body;
using file_server::status;

void check_scan(std::string_view bytes, const head_scan& at_once, head_scan::verdict found) {
  head_scan slow;
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const head_scan::verdict now = slow.look(bytes.substr(0, size));
    if (now == head_scan::verdict::incomplete) continue;
    require(now == found, "a head is the same however it arrives");
    require(slow.size() == at_once.size(), "its end is the same however it arrives");
    return;
  }
  require(found == head_scan::verdict::incomplete, "an end is found however it arrives");
}

void check_beginnings(std::string_view head) {
  for (std::size_t size = 0; size < head.size(); ++size) {
    require(!file_server::refuse_beginning(head.substr(0, size)),
            "a head that is taken is so however it arrives");
  }
}

void check_target(std::string_view raw) {
  file_server::target parsed;
  if (file_server::parse_target(raw, parsed)) return;
  const std::string& path = parsed.path;
  require(path.find('\0') == path.npos, "a path has no zero byte");
  const std::string whole = "/" + path + "/";
  require(path.empty() || whole.find("//") == whole.npos, "a path has no empty part");
  require(whole.find("/../") == whole.npos && whole.find("/./") == whole.npos,
          "a path has no dots");
  std::vector<char> memory(3 * path.size() + 1);
  file_server::text escaped(memory);
  escaped.add('/');
  file_server::add_escaped(escaped, path);
  file_server::target again;
  require(!file_server::parse_target(escaped.view(), again), "an escaped path is a target");
  require(again.path == path, "an escaped path is the same path");
}

void check_body(const request& of, std::string_view bytes) {
  constexpr std::uint64_t limit_bytes = 300;
  request_body at_once(of, limit_bytes);
  request_body slow(of, limit_bytes);
  const std::size_t taken = at_once.take(bytes);
  require(taken <= bytes.size(), "no more is taken than there is");
  std::size_t slowly = 0;
  while (slowly < bytes.size() && !slow.ended() && !slow.refused()) {
    slowly += slow.take(bytes.substr(slowly, 1));
  }
  require(at_once.ended() == slow.ended(), "a body ends however it arrives");
  require(at_once.refused().has_value() == slow.refused().has_value(),
          "a body is refused however it arrives");
  require(at_once.refused() || taken == slowly, "a body's end is the same however it arrives");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  head_scan scan;
  const head_scan::verdict found = scan.look(bytes);
  check_scan(bytes, scan, found);
  if (found != head_scan::verdict::complete) return 0;
  request asked;
  if (file_server::parse_request(bytes.substr(0, scan.size()), asked)) return 0;
  check_beginnings(bytes.substr(0, scan.size()));
  require(!asked.target.empty() && !asked.method_name.empty(), "a request has a first line");
  require(!asked.chunked || asked.content_length == 0, "a body has one length");
  require(!asked.chunked || asked.http_1_1, "HTTP/1.0 has no chunks");
  check_target(asked.target);
  check_body(asked, bytes.substr(scan.size()));
  return 0;
}
