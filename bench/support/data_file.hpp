#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "zc/fd.hpp"

namespace bench {

/// The bytes at `offset` of every test file: no two pages are the same.
void fill_pattern(std::span<std::byte> bytes, std::uint64_t offset);

/// Whether these are they.
bool is_pattern(std::span<const std::byte> bytes, std::uint64_t offset);

/// A file of that pattern in `directory`, open for reading and already unlinked. It is on the disk,
/// and all of it in the page cache.
zc::fd make_file(const std::string& directory, std::uint64_t size);

/// The same in memory: a memfd, which is tmpfs's.
zc::fd make_memory_file(std::uint64_t size);

/// What statfs(2) says that the descriptor's file system is: "ext4", "tmpfs", or a number.
std::string filesystem_of(int fd);

/// Writes `size` bytes of the pattern to `path`.
void write_file(const std::string& path, std::uint64_t size);

/// Reads `bytes` from `begin` on, so that they are in the page cache.
void make_hot(int file, std::uint64_t begin, std::uint64_t bytes);

/// Asks the kernel to drop the file's pages.
void make_cold(int file);

/// How many bytes of the file are in the page cache, by mincore(2).
std::uint64_t resident_bytes(int file);

std::uint64_t size_of(int file);

}  // namespace bench
