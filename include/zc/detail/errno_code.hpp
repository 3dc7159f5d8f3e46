#pragma once

#include <system_error>

#include "zc/detail/cpp20.hpp"

namespace zc::detail {

inline std::error_code errno_code(int error_number) noexcept {
  return {error_number, std::system_category()};
}

}  // namespace zc::detail
