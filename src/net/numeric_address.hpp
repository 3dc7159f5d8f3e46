#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "zc/address.hpp"

namespace zc::detail {

/// An address from its number alone: `127.0.0.1`, `::1`, `fe80::1%eth0`. None where `host` is not
/// one, or names an interface that is not there. Looks nothing up but that.
std::optional<address> numeric_address(std::string_view host, std::uint16_t port) noexcept;

}  // namespace zc::detail
