#pragma once

#include <cstdint>
#include <string>

#include "zc/fd.hpp"
#include "zc/result.hpp"

namespace ship {

/// Opens a directory below `root` (openat2(2)): no symbolic link is followed on the way, whoever
/// made it. `flags` are O_RDONLY or O_PATH. Blocks.
zc::result<zc::fd> open_beneath(int root, const std::string& path, std::uint64_t flags);

}  // namespace ship
