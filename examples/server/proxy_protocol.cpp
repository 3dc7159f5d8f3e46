#include "proxy_protocol.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace server::proxy_protocol {

namespace {

constexpr std::string_view line_begin = "PROXY ";
constexpr std::string_view line_end = "\r\n";
constexpr std::string_view signature("\r\n\r\n\0\r\nQUIT\n", 12);

constexpr std::size_t fixed_bytes = 16;  // of version 2: up to where the addresses begin
constexpr char command_local = 0x20;     // version 2 in the upper half
constexpr char command_proxy = 0x21;

// Address family in the upper half, and protocol.
constexpr char family_unknown = 0x00;
constexpr char family_tcp4 = 0x11;
constexpr char family_udp4 = 0x12;
constexpr char family_tcp6 = 0x21;
constexpr char family_udp6 = 0x22;
constexpr char family_unix_stream = 0x31;
constexpr char family_unix_datagram = 0x32;

constexpr std::size_t ports_bytes = 4;
constexpr std::size_t addresses_v4_bytes = 2 * sizeof(in_addr) + ports_bytes;
constexpr std::size_t addresses_v6_bytes = 2 * sizeof(in6_addr) + ports_bytes;
constexpr std::size_t addresses_unix_bytes = std::size_t{2} * 108;

static_assert(fixed_bytes + addresses_v6_bytes <= telling_bytes);

/// AF_INET or AF_INET6 where both have it.
int family_of(const endpoints& of) noexcept {
  const int family = of.source.family();
  return family == of.destination.family() ? family : AF_UNSPEC;
}

const sockaddr_in& v4(const zc::address& of) noexcept {
  return *reinterpret_cast<const sockaddr_in*>(of.data());
}
const sockaddr_in6& v6(const zc::address& of) noexcept {
  return *reinterpret_cast<const sockaddr_in6*>(of.data());
}

zc::address make_v4(const in_addr& host, std::uint16_t network_port) {
  sockaddr_in raw{};
  raw.sin_family = AF_INET;
  raw.sin_addr = host;
  raw.sin_port = network_port;
  return {reinterpret_cast<const sockaddr*>(&raw), sizeof raw};
}
zc::address make_v6(const in6_addr& host, std::uint16_t network_port) {
  sockaddr_in6 raw{};
  raw.sin6_family = AF_INET6;
  raw.sin6_addr = host;
  raw.sin6_port = network_port;
  return {reinterpret_cast<const sockaddr*>(&raw), sizeof raw};
}

std::string host_without_scope(const zc::address& of) {
  const std::string host = of.host();
  return host.substr(0, host.find('%'));
}

std::string encode_v1(const endpoints& of) {
  std::string line(line_begin);
  if (family_of(of) == AF_UNSPEC) return line.append("UNKNOWN").append(line_end);
  line += family_of(of) == AF_INET ? "TCP4 " : "TCP6 ";
  line += host_without_scope(of.source) + " " + host_without_scope(of.destination) + " ";
  line += std::to_string(of.source.port()) + " " + std::to_string(of.destination.port());
  return line.append(line_end);
}

template <class Raw>
void append_raw(std::string& to, const Raw& value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void begin_v2(std::string& to, char command, char family, std::size_t addresses_bytes) {
  to += signature;
  to += command;
  to += family;
  append_raw(to, htons(static_cast<std::uint16_t>(addresses_bytes)));
}

std::string encode_v2(const endpoints& of) {
  std::string all;
  switch (family_of(of)) {
    case AF_INET:
      begin_v2(all, command_proxy, family_tcp4, addresses_v4_bytes);
      append_raw(all, v4(of.source).sin_addr);
      append_raw(all, v4(of.destination).sin_addr);
      break;
    case AF_INET6:
      begin_v2(all, command_proxy, family_tcp6, addresses_v6_bytes);
      append_raw(all, v6(of.source).sin6_addr);
      append_raw(all, v6(of.destination).sin6_addr);
      break;
    default:
      begin_v2(all, command_proxy, family_unknown, 0);
      return all;
  }
  append_raw(all, htons(of.source.port()));
  append_raw(all, htons(of.destination.port()));
  return all;
}

/// A part of what text and pattern share, or text is only the beginning of pattern.
bool may_become(std::string_view text, std::string_view pattern) noexcept {
  const std::size_t common = std::min(text.size(), pattern.size());
  return text.substr(0, common) == pattern.substr(0, common);
}

/// Takes what is in front of the next space off `text`.
std::string_view next_word(std::string_view& text) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) throw malformed("too few words");
  const std::string_view word = text.substr(0, space);
  text.remove_prefix(space + 1);
  return word;
}

/// In network byte order.
std::uint16_t port_of(std::string_view word) {
  std::uint16_t number = 0;
  const char* const end = word.data() + word.size();
  const auto [stopped, error] = std::from_chars(word.data(), end, number);
  if (error != std::errc() || stopped != end) throw malformed("not a port");
  if (word.size() > 1 && word.front() == '0') throw malformed("a port with leading zeros");
  return htons(number);
}

/// inet_pton(3) is as strict as is asked for: no zeros in front of decimal numbers, and no scope.
template <class Host>
Host host_of(int family, std::string_view word) {
  Host host{};
  const std::string text(word);
  // What follows a zero byte inet_pton(3) would not see.
  if (text.find('\0') != std::string::npos || ::inet_pton(family, text.c_str(), &host) != 1) {
    throw malformed("not an address");
  }
  return host;
}

template <class Host>
endpoints endpoints_of(int family, std::string_view words,
                       zc::address (*make)(const Host&, std::uint16_t)) {
  const auto source = host_of<Host>(family, next_word(words));
  const auto destination = host_of<Host>(family, next_word(words));
  const std::uint16_t source_port = port_of(next_word(words));
  return {make(source, source_port), make(destination, port_of(words))};
}

/// What stands between "PROXY " and the end of the line.
std::optional<endpoints> endpoints_of_line(std::string_view words) {
  // The rest of such a line is to be ignored.
  if (words == "UNKNOWN" || words.starts_with("UNKNOWN ")) return std::nullopt;
  const std::string_view protocol = next_word(words);
  if (protocol == "TCP4") return endpoints_of<in_addr>(AF_INET, words, make_v4);
  if (protocol == "TCP6") return endpoints_of<in6_addr>(AF_INET6, words, make_v6);
  throw malformed("an unknown protocol");
}

std::optional<header> parse_v1(std::string_view begin) {
  const std::string_view line = begin.substr(0, telling_bytes);
  const std::size_t size = line.find(line_end);
  if (size == std::string_view::npos) {
    if (line.size() == telling_bytes) throw malformed("a line without an end");
    return std::nullopt;
  }
  const std::string_view words = line.substr(line_begin.size(), size - line_begin.size());
  return header{size + line_end.size(), endpoints_of_line(words)};
}

template <class Raw>
Raw raw_at(std::string_view bytes, std::size_t at) noexcept {
  Raw value{};
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

template <class Host>
endpoints endpoints_at(std::string_view addresses,
                       zc::address (*make)(const Host&, std::uint16_t)) {
  constexpr std::size_t ports = 2 * sizeof(Host);
  return {make(raw_at<Host>(addresses, 0), raw_at<std::uint16_t>(addresses, ports)),
          make(raw_at<Host>(addresses, sizeof(Host)),
               raw_at<std::uint16_t>(addresses, ports + sizeof(std::uint16_t)))};
}

/// How many bytes of addresses there have to be.
std::size_t addresses_bytes_of(char family) {
  switch (family) {
    case family_unknown:
      return 0;
    case family_tcp4:
    case family_udp4:
      return addresses_v4_bytes;
    case family_tcp6:
    case family_udp6:
      return addresses_v6_bytes;
    case family_unix_stream:
    case family_unix_datagram:
      return addresses_unix_bytes;
    default:
      throw malformed("an unknown family");
  }
}

std::optional<header> parse_v2(std::string_view begin) {
  if (begin.size() < fixed_bytes) return std::nullopt;
  const char command = begin[signature.size()];
  const char family = begin[signature.size() + 1];
  const std::size_t rest = ntohs(raw_at<std::uint16_t>(begin, signature.size() + 2));
  header found{fixed_bytes + rest, std::nullopt};
  // What asks for itself, as a health check does: of the rest nothing counts.
  if (command == command_local) return found;
  if (command != command_proxy) throw malformed("an unknown version or command");
  if (rest < addresses_bytes_of(family)) throw malformed("too short for its addresses");
  if (family != family_tcp4 && family != family_tcp6) return found;

  const std::string_view addresses = begin.substr(fixed_bytes);
  if (addresses.size() < addresses_bytes_of(family)) return std::nullopt;
  found.about = family == family_tcp4 ? endpoints_at<in_addr>(addresses, make_v4)
                                      : endpoints_at<in6_addr>(addresses, make_v6);
  return found;
}

}  // namespace

std::string encode(version as, const endpoints& of) {
  return as == version::v1 ? encode_v1(of) : encode_v2(of);
}

std::optional<header> parse(std::string_view begin) {
  const bool line = may_become(begin, line_begin);
  if (!line && !may_become(begin, signature)) throw malformed("no PROXY header");
  if (begin.size() < line_begin.size()) return std::nullopt;
  return line ? parse_v1(begin) : parse_v2(begin);
}

}  // namespace server::proxy_protocol
