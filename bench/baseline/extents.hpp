#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "support/require.hpp"

namespace baseline {

/// Calls `copy(begin, end)` for each part of `in` that is not a hole, and makes `out` as long as
/// `in`.
template <class Copy>
void for_each_extent(int in, int out, const Copy& copy) {
  struct stat about {};
  bench::require(::fstat(in, &about), "fstat");
  // A file with as many blocks as bytes has no hole to look for: two calls saved.
  if (about.st_blocks * 512 >= about.st_size) {
    copy(off_t{0}, about.st_size);
    return;
  }
  off_t end = 0;
  while (end < about.st_size) {
    const off_t begin = ::lseek(in, end, SEEK_DATA);
    if (begin < 0 && errno == ENXIO) break;
    bench::require(begin, "lseek");
    end = bench::require(::lseek(in, begin, SEEK_HOLE), "lseek");
    copy(begin, end);
  }
  bench::require(::ftruncate(out, about.st_size), "ftruncate");
}

}  // namespace baseline
