// pread(2) and pwrite(2), extent by extent.

#include <unistd.h>

#include <algorithm>

#include "copy_file.hpp"
#include "extents.hpp"

namespace baseline {

void copy_by_read_and_write(int in, int out, std::span<std::byte> buffer) {
  for_each_extent(in, out, [&](off_t begin, off_t end) {
    while (begin < end) {
      const std::size_t piece = std::min(buffer.size(), static_cast<std::size_t>(end - begin));
      const ssize_t got = bench::require(::pread(in, buffer.data(), piece, begin), "pread");
      if (got == 0) return;
      begin += bench::require(::pwrite(out, buffer.data(), static_cast<std::size_t>(got), begin),
                              "pwrite");
    }
  });
}

}  // namespace baseline
