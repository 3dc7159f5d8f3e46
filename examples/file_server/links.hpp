#pragma once

#include <string>

#include "zc/result.hpp"
#include "zc/task.hpp"

namespace file_server {

/// What openat2(2) with RESOLVE_BENEATH finds no way to, as a symbolic link on it is absolute or
/// goes through what is above the root: the same path with the place that the link leads to, where
/// that is below the root all the same. Empty where it is not, and where the path has too many such
/// links. An error only
/// where that could not be found out now: EMFILE, ENFILE, ENOMEM, or EAGAIN.
///
/// Finds nothing but names. What they stand for is to be opened with RESOLVE_BENEATH, too: then
/// whatever is changed meanwhile, nothing outside of the root is. Needs /proc.
zc::task<zc::result<std::string>> resolve_links(int root, std::string path);

}  // namespace file_server
