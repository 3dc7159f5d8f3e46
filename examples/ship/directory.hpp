#pragma once

#include <string>
#include <vector>

#include "zc/fd.hpp"

namespace ship {

/// Opens a directory to be read, `path` being relative to `root` and no symbolic link. Throws
/// std::system_error.
zc::fd open_directory(int root, const char* path);

/// The names in a directory, sorted, without `.` and `..`. Throws std::system_error. Blocks.
std::vector<std::string> names_in(zc::fd directory);
std::vector<std::string> names_in(int root, const char* path);

}  // namespace ship
