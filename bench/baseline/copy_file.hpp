#pragma once

#include <cstddef>
#include <span>
#include <string>

/// Files to files by hand, without zc. Holes stay holes.
namespace baseline {

/// All of `in` to `out`, which is empty.
void copy_by_copy_file_range(int in, int out);
/// With a buffer of the caller's: large for a large file, kept for many small ones.
void copy_by_read_and_write(int in, int out, std::span<std::byte> buffer);

/// The tree of directories and files `from` to `to`, which is not there yet: one after the other,
/// with one of the above.
void copy_tree_by_copy_file_range(const std::string& from, const std::string& to);
void copy_tree_by_read_and_write(const std::string& from, const std::string& to);

}  // namespace baseline
