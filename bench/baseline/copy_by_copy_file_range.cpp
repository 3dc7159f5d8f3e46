// copy_file_range(2), extent by extent: the kernel copies from page cache to page cache, or shares
// blocks where the file system can.

#include <unistd.h>

#include "copy_file.hpp"
#include "extents.hpp"

namespace baseline {

void copy_by_copy_file_range(int in, int out) {
  for_each_extent(in, out, [&](off_t begin, off_t end) {
    off_t to = begin;
    while (begin < end) {
      const ssize_t copied = bench::require(
          ::copy_file_range(in, &begin, out, &to, static_cast<std::size_t>(end - begin), 0),
          "copy_file_range");
      if (copied == 0) return;
    }
  });
}

}  // namespace baseline
