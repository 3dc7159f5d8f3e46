// Two system calls per transfer, all through one pipe.

#include <fcntl.h>

#include "batch.hpp"
#include "own_pipe.hpp"

namespace baseline {

void batch_by_splice(const batch& what) {
  const own_pipe through(static_cast<int>(what.file_bytes));
  for (std::size_t number = 0; number < what.transfers; ++number) {
    const int file = what.files[number % what.files.size()];
    const int target = what.targets[number % what.targets.size()];
    off_t at = 0;
    ssize_t filled =
        bench::require(::splice(file, &at, through.write_end(), nullptr, what.file_bytes, 0),
                       "splice from a file");
    bench::require_equal(static_cast<unsigned long long>(filled), what.file_bytes,
                         "bytes of a file");
    while (filled > 0) {
      filled -= bench::require(::splice(through.read_end(), nullptr, target, nullptr,
                                        static_cast<std::size_t>(filled), 0),
                               "splice to its target");
    }
  }
}

}  // namespace baseline
