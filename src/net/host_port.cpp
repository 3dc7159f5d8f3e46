#include "zc/host_port.hpp"

#include <utility>

#include "net/split_host_port.hpp"

namespace zc {

host_port::host_port(std::string name, std::uint16_t number) noexcept
    : host(std::move(name)), port(number) {}

host_port host_port::parse(std::string_view text) {
  const detail::split_text parts = detail::split_host_port(text);
  if (parts.in_brackets && parts.host.find(':') == std::string_view::npos) {
    detail::refuse_text(text, "what is in brackets is not an IPv6 address");
  }
  return {std::string(parts.host), parts.port};
}

std::string to_string(const host_port& name) {
  const bool brackets = name.host.find(':') != std::string::npos;
  return (brackets ? "[" + name.host + "]" : name.host) + ":" + std::to_string(name.port);
}

}  // namespace zc
