// A system call per transfer.

#include <sys/sendfile.h>

#include "batch.hpp"
#include "support/require.hpp"

namespace baseline {

void batch_by_sendfile(const batch& what) {
  for (std::size_t number = 0; number < what.transfers; ++number) {
    const int file = what.files[number % what.files.size()];
    const int target = what.targets[number % what.targets.size()];
    for (off_t at = 0; static_cast<std::size_t>(at) < what.file_bytes;) {
      const std::size_t left = what.file_bytes - static_cast<std::size_t>(at);
      if (bench::require(::sendfile(target, file, &at, left), "sendfile") == 0) {
        throw std::runtime_error("a file has become shorter");
      }
    }
  }
}

}  // namespace baseline
