#include "reply.hpp"

#include <array>
#include <random>
#include <span>

namespace file_server {

namespace {

std::array<char, 32> draw_boundary() {
  std::array<char, 32> drawn{};
  std::random_device source;
  for (char& each : drawn) each = "0123456789abcdef"[source() % 16];
  return drawn;
}

void add_content_range(text& to, const byte_range& part, std::uint64_t size) {
  to.add("Content-Range: bytes ", part.first, '-', part.last, '/', size, "\r\n");
}

}  // namespace

reply decide(const request& asked, const description& of, seconds now) {
  const validators known{of.etag, of.modified};
  switch (judge_conditions(asked, known, now)) {
    case verdict::not_modified:
      return {status::not_modified, {}};
    case verdict::precondition_failed:
      return {status::precondition_failed, {}};
    case verdict::proceed:
      break;
  }
  if (!asked.range || asked.method != request::verb::get || !range_applies(asked, known, now)) {
    return {};
  }
  const byte_ranges ranges(*asked.range, of.size);
  switch (ranges.asked_for()) {
    case byte_ranges::kind::parts:
      return {status::partial_content, ranges};
    case byte_ranges::kind::unsatisfiable:
      return {status::range_not_satisfiable, {}};
    case byte_ranges::kind::whole:
      break;
  }
  return {};
}

std::size_t add_short_reply(text& to, status code, const manner& how, bool head_only) {
  const std::string_view phrase = to_string(code);
  add_page_head(to, code, "text/plain; charset=utf-8", phrase.size() + 1, how);
  if (head_only) return 0;
  to.add(phrase, '\n');
  return phrase.size() + 1;
}

void add_page_head(text& to, status code, std::string_view type, std::uint64_t nbytes,
                   const manner& how) {
  head top(to, code, how);
  if (code == status::method_not_allowed) top.field("Allow", "GET, HEAD");
  top.field("Content-Type", type).field("Content-Length", nbytes).end();
}

void add_redirect(text& to, const target& asked, const manner& how) {
  head top(to, status::moved_permanently, how);
  // From what the path was taken for: as it was sent it could name another host.
  to.add("Location: /");
  add_escaped(to, asked.path);
  to.add('/', asked.query, "\r\n");
  top.field("Content-Length", 0);
  top.end();
}

void add_file_head(text& to, const reply& what, const description& of, const manner& how) {
  head top(to, what.code, how);
  const auto dated = [&] {
    to.add("Last-Modified: ");
    add_date(to, of.modified);
    to.add("\r\n");
    top.field("ETag", of.etag);
    if (of.varies) top.field("Vary", "Accept-Encoding");
  };
  const auto encoded = [&] {
    if (!of.encoding.empty()) top.field("Content-Encoding", of.encoding);
  };
  const std::span<const byte_range> parts = what.ranges.parts();
  switch (what.code) {
    case status::not_modified:
      dated();
      break;
    case status::range_not_satisfiable:
      top.field("Content-Range", "bytes */", of.size).field("Content-Length", 0);
      break;
    case status::partial_content:
      if (parts.size() > 1) {
        const std::uint64_t size = multipart(of).size(what.ranges);
        top.field("Content-Type", "multipart/byteranges; boundary=", multipart::boundary());
        top.field("Content-Length", size);
      } else {
        top.field("Content-Type", of.type).field("Content-Length", parts.front().size());
        add_content_range(to, parts.front(), of.size);
      }
      encoded();
      dated();
      break;
    default:
      top.field("Content-Type", of.type).field("Content-Length", of.size);
      top.field("Accept-Ranges", "bytes");
      encoded();
      dated();
      break;
  }
  top.end();
}

std::string_view multipart::boundary() {
  static const std::array<char, 32> drawn = draw_boundary();
  return {drawn.data(), drawn.size()};
}

void multipart::add_start(text& to, const byte_range& part) const {
  to.add("\r\n--", boundary(), "\r\nContent-Type: ", of_.type, "\r\n");
  add_content_range(to, part, of_.size);
  to.add("\r\n");
}

void multipart::add_end(text& to) const { to.add("\r\n--", boundary(), "--\r\n"); }

std::uint64_t multipart::size(const byte_ranges& parts) const {
  std::array<char, 512> memory;
  text around(memory);
  add_end(around);
  std::uint64_t all = around.size();
  for (const byte_range& each : parts.parts()) {
    around.clear();
    add_start(around, each);
    all += around.size() + each.size();
  }
  return all;
}

}  // namespace file_server
