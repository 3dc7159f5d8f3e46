#pragma once

#include <cstdint>
#include <optional>

namespace zc::detail {

/// The number at the start of a small file of /proc; nothing where there is none.
std::optional<std::uint64_t> number_in(const char* path) noexcept;

}  // namespace zc::detail
