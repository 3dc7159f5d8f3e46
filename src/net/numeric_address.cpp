#include "net/numeric_address.hpp"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>

namespace zc::detail {

namespace {

/// A text with the zero at its end that C wants; empty where it is too long to mean anything.
template <std::size_t Size>
class c_text {
 public:
  explicit c_text(std::string_view text) noexcept {
    if (text.size() < Size && text.find('\0') == std::string_view::npos) {
      std::copy(text.begin(), text.end(), text_.begin());
    }
  }
  const char* get() const noexcept { return text_.data(); }

 private:
  std::array<char, Size> text_{};
};

/// 0 where there is no such interface.
std::uint32_t scope_of(std::string_view text) noexcept {
  std::uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [parsed_to, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && parsed_to == end) return number;
  return ::if_nametoindex(c_text<IF_NAMESIZE>(text).get());
}

std::optional<address> v4_address(std::string_view host, std::uint16_t port) noexcept {
  sockaddr_in raw{};
  raw.sin_family = AF_INET;
  raw.sin_port = htons(port);
  if (::inet_pton(AF_INET, c_text<INET_ADDRSTRLEN>(host).get(), &raw.sin_addr) != 1) return {};
  return address(reinterpret_cast<const sockaddr*>(&raw), sizeof raw);
}

std::optional<address> v6_address(std::string_view host, std::uint16_t port) noexcept {
  const std::size_t percent = host.find('%');
  const std::string_view number = host.substr(0, percent);
  sockaddr_in6 raw{};
  raw.sin6_family = AF_INET6;
  raw.sin6_port = htons(port);
  if (::inet_pton(AF_INET6, c_text<INET6_ADDRSTRLEN>(number).get(), &raw.sin6_addr) != 1) return {};
  if (percent != std::string_view::npos) {
    raw.sin6_scope_id = scope_of(host.substr(percent + 1));
    if (raw.sin6_scope_id == 0) return {};
  }
  return address(reinterpret_cast<const sockaddr*>(&raw), sizeof raw);
}

}  // namespace

std::optional<address> numeric_address(std::string_view host, std::uint16_t port) noexcept {
  const bool is_v6 = host.find(':') != std::string_view::npos;
  return is_v6 ? v6_address(host, port) : v4_address(host, port);
}

}  // namespace zc::detail
