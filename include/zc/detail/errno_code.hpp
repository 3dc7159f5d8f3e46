#pragma once

#include <system_error>

namespace zc::detail {

inline std::error_code errno_code(int error_number) noexcept {
  return {error_number, std::system_category()};
}

}  // namespace zc::detail
