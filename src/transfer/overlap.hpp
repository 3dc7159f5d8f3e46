#pragma once

#include <cstdint>

#include "zc/detail/endpoint.hpp"

namespace zc::detail {

/// Where one end of a transfer has its bytes.
struct file_part {
  const endpoint& end;
  std::int64_t at;  // or file_position
  bool written;     // then O_APPEND decides where
};

/// Whether both parts, of `nbytes` each, have bytes of one file in common, by whatever descriptor.
/// Then one would be read or written where the other has written already. Two that use one and the
/// same file position count too. Costs no system call where they are not one file.
bool overlap(const file_part& a, const file_part& b, std::uint64_t nbytes) noexcept;

}  // namespace zc::detail
