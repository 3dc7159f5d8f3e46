#include "examples/ship_peer.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <span>
#include <utility>

#include "examples/ship_support.hpp"

namespace support {

namespace wire = ship::wire;

peer::peer(const std::string& address) : socket_(connect_to(address)) {}

void peer::say(const std::string& bytes) {
  // It may have been hung up on already.
  [[maybe_unused]] const ssize_t sent =
      ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

void peer::greet(char session) {
  wire::hello hello;
  hello.connections = 1;
  hello.session[0] = session;
  std::string bytes;
  wire::append(bytes, hello);
  say(bytes);
  CHECK(hear(wire::welcome_size_bytes).size() == wire::welcome_size_bytes);
}

std::string peer::hear(std::size_t nbytes) {
  std::string bytes(nbytes, '\0');
  const ssize_t got = ::recv(socket_.get(), bytes.data(), bytes.size(), MSG_WAITALL);
  bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return bytes;
}

wire::outcome peer::hear_result() {
  const std::string bytes = hear(wire::header_size_bytes);
  REQUIRE(bytes.size() == wire::header_size_bytes);
  const wire::header header = wire::parse_header(
      std::span<const char, wire::header_size_bytes>(bytes.data(), wire::header_size_bytes));
  REQUIRE(header.kind == wire::kind::result);
  return wire::parse_outcome(hear(header.payload_bytes));
}

void peer::say_no_more() { ::shutdown(socket_.get(), SHUT_WR); }

wire::item file_item(std::string path, std::uint64_t size) {
  wire::item one;
  one.mode = 0644;
  one.path = std::move(path);
  one.size = size;
  return one;
}

std::string frame(wire::kind kind, const wire::item& of, std::uint64_t body_bytes) {
  std::string bytes;
  wire::append(bytes, kind, of, body_bytes);
  return bytes;
}

std::string small_files(const std::vector<std::pair<wire::item, std::string>>& files) {
  std::string bytes;
  const std::size_t begun = wire::begin_small_files(bytes);
  for (const auto& [about, contents] : files) wire::append_small_file(bytes, about, contents);
  wire::end_small_files(bytes, begun);
  return bytes;
}

std::string whole_file(const std::string& path, const std::string& contents) {
  std::string bytes = frame(wire::kind::file, file_item(path, contents.size()), contents.size());
  bytes += contents;
  wire::append(bytes, wire::kind::end, wire::outcome{});
  return bytes;
}

}  // namespace support
